// The table that all clients share: clients/behaviours.json.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { ROUTES } from '../dist/index.js'
import { Scenario } from './world.mjs'

const table = JSON.parse(readFileSync(new URL('../../behaviours.json', import.meta.url)))

test('the package knows the routes of the table', () => {
  assert.deepEqual(ROUTES, table.routes)
})

for (const behaviour of table.behaviours) {
  test(`${behaviour.row}: ${behaviour.fact}`, () => new Scenario(behaviour).follow(behaviour.steps))
}
