// etcd3 of the npm registry at work: node etcd3.js FOLDER-OF-NODE-MODULES ENDPOINT,ENDPOINT,... Speaks TAP.
'use strict'
const path = require('path')
const assert = require('assert')
const { Etcd3 } = require(path.join(process.argv[2], 'etcd3'))
const hosts = process.argv[3].split(',')

const client = new Etcd3({ hosts, defaultCallOptions: () => ({ deadline: Date.now() + 10000 }) })
const other = new Etcd3({ hosts: [...hosts].reverse() })

const soon = (promise, ms, what) => {
  let timer
  const late = new Promise((_, no) => { timer = setTimeout(() => no(new Error('too late: ' + what)), ms) })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}
const event = (emitter, name, ms) => soon(new Promise((yes) => emitter.once(name, yes)), ms, name)
const until = async (condition, ms, what) => {
  const end = Date.now() + ms
  while (!(await condition())) {
    if (Date.now() > end) throw new Error('too late: ' + what)
    await new Promise((yes) => setTimeout(yes, 20))
  }
}

const tests = {
  async 'put, get, the previous value, delete' () {
    await client.put('a').value('1')
    assert.strictEqual(await client.get('a').string(), '1')
    const put = await client.put('a').value(2).getPrevious()
    assert.strictEqual(put.value.toString(), '1')
    assert.strictEqual(await client.get('a').number(), 2)
    assert.strictEqual((await client.delete().key('a')).deleted, '1')
    assert.strictEqual(await client.get('a').string(), null)
  },

  async 'lists: prefix, sort, limit, count, keys, a namespace' () {
    for (const k of ['l/c', 'l/a', 'l/b']) await client.put(k).value('v' + k)
    assert.deepStrictEqual(Object.keys(await client.getAll().prefix('l/').strings()), ['l/a', 'l/b', 'l/c'])
    assert.deepStrictEqual(await client.getAll().prefix('l/').sort('Key', 'Descend').limit(2).keys(), ['l/c', 'l/b'])
    assert.strictEqual(await client.getAll().prefix('l/').count(), 3)
    const inside = client.namespace('l/')
    assert.strictEqual(await inside.get('b').string(), 'vl/b')
    assert.strictEqual((await inside.delete().all()).deleted, '3')
  },

  async 'a transaction: its first write wins, its second takes the other branch' () {
    const create = () => client.if('t', 'Create', '==', 0)
      .then(client.put('t').value('mine')).else(client.get('t')).commit()
    assert.strictEqual((await create()).succeeded, true)
    const again = await create()
    assert.strictEqual(again.succeeded, false)
    assert.strictEqual(again.responses[0].response_range.kvs[0].value.toString(), 'mine')
  },

  async 'optimistic concurrency: forty increments by eight writers are forty' () {
    await client.put('n').value(0)
    const once = () => client.stm({ retries: 100 }).transact(async (tx) => {
      await tx.put('n').value(Number(await tx.get('n').string()) + 1)
    })
    await Promise.all(Array.from({ length: 8 }, async () => { for (let i = 0; i < 5; i++) await once() }))
    assert.strictEqual(await client.get('n').number(), 40)
  },

  async 'a watch: puts and deletes in order, from now and from a revision' () {
    const from = Number((await client.put('w/first').value('0')).header.revision)
    const seen = []
    const watcher = await client.watch().prefix('w/').startRevision(String(from)).create()
    watcher.on('put', (kv) => seen.push('put ' + kv.key + ' ' + kv.value))
    watcher.on('delete', (kv) => seen.push('delete ' + kv.key))
    await other.put('w/a').value('1')
    await other.put('w/a').value('2')
    await other.delete().key('w/a')
    await until(() => seen.length === 4, 5000, 'four events')
    assert.deepStrictEqual(seen, ['put w/first 0', 'put w/a 1', 'put w/a 2', 'delete w/a'])
    await watcher.cancel()
    await other.put('w/a').value('unseen')
    assert.strictEqual(seen.length, 4)
  },

  async 'a lease: kept alive, revoked with its keys, lost when it runs out' () {
    const kept = client.lease(2)
    await kept.put('lease/kept').value('x')
    const lasts = Date.now() + 3500
    await until(() => Date.now() > lasts, 5000, 'longer than its TTL')
    assert.strictEqual(await client.get('lease/kept').string(), 'x')
    await kept.revoke()
    assert.strictEqual(await client.get('lease/kept').string(), null)
    const left = client.lease(2, { autoKeepAlive: false })
    await left.put('lease/left').value('y')
    await until(async () => (await client.get('lease/left').string()) === null, 8000, 'the key of a lease that ran out')
  },

  async 'a lock: one holder at a time, the next when it is released' () {
    const holder = await client.lock('lock').ttl(5).acquire()
    await assert.rejects(other.lock('lock').ttl(5).acquire(), /lock/i)
    let inside = 0
    let most = 0
    await holder.release()
    const work = (c) => c.lock('lock').ttl(5).do(async () => {
      most = Math.max(most, ++inside)
      await new Promise((yes) => setTimeout(yes, 5))
      inside--
    })
    for (let i = 0; i < 10; i++) {
      await Promise.all([client, other].map(async (c) => {
        await until(() => work(c).then(() => true, () => false), 5000, 'a turn')
      }))
    }
    assert.strictEqual(most, 1)
  },

  async 'an election: a second candidate follows the first' () {
    const first = client.election('chair', 5).campaign('one')
    await event(first, 'elected', 5000)
    const second = other.election('chair', 5).campaign('two')
    assert.strictEqual(await client.election('chair').leader(), 'one')
    const turn = event(second, 'elected', 5000)
    await first.resign()
    await turn
    await until(async () => (await client.election('chair').leader()) === 'two', 5000, 'the second leader')
    await second.resign()
  },

  async 'members and maintenance: list, status, alarms, hash' () {
    const members = (await client.cluster.memberList({})).members
    assert.strictEqual(members.length, hosts.length)
    const status = await client.maintenance.status()
    assert.match(status.version, /^3\./)
    assert.deepStrictEqual((await client.maintenance.alarm({ action: 'Get', alarm: 'None' })).alarms, [])
    assert.ok((await client.maintenance.hash()).hash > 0)
  }
}

const main = async () => {
  let n = 0
  let failed = 0
  for (const [name, run] of Object.entries(tests)) {
    n++
    try {
      await soon(run(), 30000, name)
      console.log(`ok ${n} - ${name}`)
    } catch (e) {
      failed++
      console.log(`not ok ${n} - ${name}`)
      console.log(String(e.stack || e).replace(/^/gm, '# '))
    }
  }
  console.log(`1..${n}`)
  client.close()
  other.close()
  process.exit(failed === 0 ? 0 : 1)
}
main()
