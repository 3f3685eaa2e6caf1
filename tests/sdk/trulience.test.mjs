// npm @trulience/react-sdk loads a script from the vendor; here it is one that writes down what it is told.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { JSDOM } from 'jsdom'
import { mint, twin } from './bundle.mjs'

const VENDORS_SCRIPT = `
  const told = {}
  const note = (name) => (value) => { told[name] = value; return builder }
  const builder = new Proxy({ build: () => ({ on() {}, authenticate: () => window.authenticated(told) }) },
                            { get: (known, name) => known[name] ?? note(name) })
  window.Trulience = { Builder: () => builder, DigitalHumanType: {} }`

const page = { url: 'http://localhost', runScripts: 'dangerously', resources: 'usable' }
const { window } = new JSDOM('<div id="root"></div>', page)
const browser = { window, document: window.document, navigator: window.navigator }
// Before React is imported, which looks for them there and then. Newer Nodes have a navigator that cannot be assigned.
for (const [name, value] of Object.entries(browser)) Object.defineProperty(globalThis, name, { value })
const { createElement } = await import('react')
const { createRoot } = await import('react-dom/client')
const { TrulienceAvatar } = await import('@trulience/react-sdk')

/** What the vendor's script has been told when the component has it authenticate. */
function told(properties) {
  const url = `data:text/javascript,${encodeURIComponent(VENDORS_SCRIPT)}`
  const root = createRoot(window.document.getElementById('root'))
  return new Promise((resolve) => {
    window.authenticated = resolve
    root.render(createElement(TrulienceAvatar, { url, ...properties }))
  })
}

test('TrulienceAvatar passes our jwt and avatar_id on, and they open a session at the vendor', async () => {
  const { jwt, avatar_id: avatarId } = await mint('/v1/trulience/tokens', { avatar_id: '4386676996480451678' })
  const { setToken, setAvatarId } = await told({ token: jwt, avatarId })
  assert.deepEqual([setToken, setAvatarId], [jwt, avatarId])
  assert.deepEqual([await authenticate(jwt, avatarId), await authenticate(jwt, avatarId)], [200, 401]) // single use
})

async function authenticate(token, avatarId) {
  const headers = { 'Content-Type': 'application/json' }
  return (await fetch(`${twin}/auth`, { method: 'POST', headers, body: JSON.stringify({ token, avatarId }) })).status
}
