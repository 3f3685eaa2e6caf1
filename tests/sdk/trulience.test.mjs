// npm @trulience/react-sdk, and the snippets of docs/vendors/trulience.md. The vendor's script is one that writes down what it is told.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
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

// The page's plain JavaScript, as it stands there

const PAGE = readFileSync(new URL('../../docs/vendors/trulience.md', import.meta.url), 'utf8')
const AsyncFunction = (async () => {}).constructor

const BLOCKS = [...PAGE.matchAll(/^```js\n(.*?)^```$/gms)].map(([, code]) => code)

/** Runs the page's block that holds `mark`, in a page whose globals these are. Returns what its `mint` was answered. */
async function run(mark, globals, minting = (path, body) => mint(`/v1/${path}`, body)) {
  const [code] = BLOCKS.filter((block) => block.includes(mark))
  let answer
  const asked = async (...request) => (answer = await minting(...request))
  await new AsyncFunction('mint', ...Object.keys(globals), code)(asked, ...Object.values(globals))
  return answer
}

test("the page's plain JavaScript hands our jwt and avatar_id to the vendor's Builder, and they open one session", async () => {
  const told = []
  const note = (name) => (...values) => { told.push([name, ...values]); return builder }
  const builder = { setAvatarId: note('setAvatarId'), setToken: note('setToken'), build: note('build') }
  const { jwt, avatar_id: avatarId } = await run('Builder()', { Trulience: { Builder: () => builder } })
  assert.deepEqual(told, [['setAvatarId', avatarId], ['setToken', jwt], ['build']])
  assert.deepEqual([await authenticate(jwt, avatarId), await authenticate(jwt, avatarId)], [200, 401])
})

test("the page's iframe opens the vendor's page for the avatar, with our jwt in the token", async () => {
  const { document } = new JSDOM('<iframe></iframe>').window
  const { jwt, avatar_id: avatarId } = await run('iframe.src', { document })
  const { origin, pathname, searchParams } = new URL(document.querySelector('iframe').src)
  assert.deepEqual([origin, pathname], ['https://www.trulience.com', `/avatar/${avatarId}`])
  assert.deepEqual([...searchParams], [['token', jwt]])
  assert.deepEqual([await authenticate(searchParams.get('token'), avatarId), await authenticate(jwt, avatarId)], [200, 401])
})

test("the page's iframe keeps what a token or an id may hold in its place", async () => {
  const { document } = new JSDOM('<iframe></iframe>').window
  const odd = { jwt: 'a+b/c=d&e?f#g', avatar_id: 'a/b?c' }
  await run('iframe.src', { document }, async () => odd)
  const { pathname, searchParams } = new URL(document.querySelector('iframe').src)
  assert.deepEqual([pathname, searchParams.get('token')], ['/avatar/a%2Fb%3Fc', odd.jwt])
})
