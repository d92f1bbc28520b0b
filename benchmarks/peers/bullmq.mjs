// BullMQ on Redis.
//
//     node bullmq.mjs work           sends what is due, until it is ended
//     node bullmq.mjs create         creates jobs, one call each, many calls on their way at a time
//     node bullmq.mjs create-bulk    creates jobs, a thousand a call
//
// How the creator talks to the harness stands in creator.py, what a job sends in ../work.py. Finished jobs are removed.

import { createInterface } from 'node:readline'
import { Queue, Worker } from 'bullmq'
import { Agent, request } from 'undici'

const LENGTH = 180
const AT_ONCE = 64
const IN_BULK = 1000

const url = new URL(process.env.REDIS_URL)
const connection = { host: url.hostname, port: Number(url.port), maxRetriesPerRequest: null }

function payload (number) {
  const empty = JSON.stringify({ id: number, text: '' })
  return JSON.stringify({ id: number, text: 'x'.repeat(LENGTH - empty.length) })
}

async function work () {
  const dispatcher = new Agent({ connections: AT_ONCE })
  const headers = { 'content-type': 'application/json' }
  const send = async ({ data }) => {
    const { body } = await request(data.url, { method: 'POST', headers, body: payload(data.number), dispatcher })
    await body.dump()
  }
  const worker = new Worker('peer', send, { connection, concurrency: AT_ONCE })
  await worker.waitUntilReady()
  console.log('waiting for jobs')
}

function job ({ due, url }, number) {
  const delay = Math.max(0, Math.round(due * 1000) - Date.now())
  const opts = { delay, removeOnComplete: true, removeOnFail: true }
  return { name: 'send', data: { url: `${url}/${number}`, number }, opts }
}

async function eachByItself (queue, jobs) {
  let next = 0
  const lane = async () => {
    while (next < jobs.count) {
      const { name, data, opts } = job(jobs, next++)
      await queue.add(name, data, opts)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, lane))
}

async function inBulk (queue, jobs) {
  for (let start = 0; start < jobs.count; start += IN_BULK) {
    const length = Math.min(IN_BULK, jobs.count - start)
    await queue.addBulk(Array.from({ length }, (_, index) => job(jobs, start + index)))
  }
}

async function create (all) {
  const queue = new Queue('peer', { connection })
  await queue.waitUntilReady()
  const lines = createInterface({ input: process.stdin })
  console.log(JSON.stringify({ ready: true }))
  lines.once('line', async line => {
    const began = performance.now()
    await all(queue, JSON.parse(line))
    console.log(JSON.stringify({ seconds: (performance.now() - began) / 1000 }))
  })
  lines.once('close', () => process.exit(0))
}

const roles = { work, create: () => create(eachByItself), 'create-bulk': () => create(inBulk) }
await roles[process.argv[2]]()
