// arpent's code in an interpreter: runs before any user text, saves intrinsics, and removes what no script needs.
(function (SEGMENTS, NAMES) {
  'use strict';
  const LINES = 100, WIDTH = 500, STACK = 2000, ANSWER = 200000, CALLS = SEGMENTS + 1;
  const stringify = JSON.stringify, parse = JSON.parse, apply = Reflect.apply, slice = String.prototype.slice;
  const define = Object.defineProperty, create = Object.create, keys = Object.keys, arrays = Array.prototype;
  const isArray = Array.isArray, whole = Number.isInteger, text = String, number = Number, list = Array;
  const Day = Date, Pledge = Promise, Wrong = TypeError, Text = Function, Shared = SharedArrayBuffer, Mirror = Proxy;
  const owns = Object.prototype.hasOwnProperty, isPrototype = Object.prototype.isPrototypeOf, classes = [
    ['ReferenceError', ReferenceError.prototype], ['RangeError', RangeError.prototype],
    ['SyntaxError', SyntaxError.prototype], ['TypeError', TypeError.prototype], ['Error', Error.prototype],
  ];
  const kinds = {
    u1: Uint8Array, i1: Int8Array, u2: Uint16Array, i2: Int16Array, u4: Uint32Array, i4: Int32Array,
    f4: Float32Array, f8: Float64Array,
  };
  for (const name of ['WebAssembly', 'SharedArrayBuffer', 'Atomics', 'setTimeout', 'clearTimeout', '__timer_manager',
    'console', 'WeakRef', 'FinalizationRegistry']) {
    if (!Reflect.deleteProperty(globalThis, name)) globalThis[name] = undefined;
  }
  const cut = (words, length) => apply(slice, words, [0, length]);
  const put = (target, key, value) => define(target, key, { value, enumerable: true, configurable: true, writable: true });
  // Arguments arrive here: the binding would push real arguments onto an array, and a script may have replaced `push`.
  const post = create(null);

  // ---- what a script logs and throws; JSON is assembled from strings and numbers only, because a script may give every
  // object a toJSON
  let lines = [], said = 0;
  function say(...parts) {
    said += 1;
    if (said > LINES) return;
    let line = '';
    for (let i = 0; i < parts.length; i++) {
      const part = parts[i];
      let shown;
      try { shown = typeof part === 'object' && part !== null ? stringify(part) : text(part); } catch { shown = '?'; }
      line += (i ? ' ' : '') + cut(text(shown), WIDTH);
    }
    put(lines, lines.length, cut(line, WIDTH));
  }
  const console = { log: say, info: say, warn: say, error: say, debug: say };
  function drain() {
    let joined = '';
    for (let i = 0; i < lines.length; i++) joined += (i ? ',' : '') + stringify(lines[i]);
    if (said > LINES) joined += ',' + stringify('… and ' + (said - LINES) + ' more lines');
    lines = []; said = 0;
    return '[' + joined + ']';
  }
  function faultOf(error) {
    let message = 'the script threw a value that cannot be shown', stack = '';
    try { message = cut(text(error), WIDTH); } catch { /* its toString throws, too */ }
    try { if (typeof error === 'object' && typeof error.stack === 'string') stack = cut(error.stack, STACK); } catch {
      /* a getter that throws */
    }
    return stringify(message) + ',' + stringify(stack) + ',' + stringify(classOf(error));
  }
  // Uses the prototypes saved before the script ran, because a script can forge `instanceof` and `name`.
  function classOf(error) {
    try {
      for (let i = 0; i < classes.length; i++) if (apply(isPrototype, classes[i][1], [error])) return classes[i][0];
    } catch { /* a proxy whose trap throws */ }
    return '';
  }
  function guarded(action) {
    let body;
    try { body = '"value":' + action(); } catch (error) { body = '"fault":[' + faultOf(error) + ']'; }
    return '{' + body + ',"log":' + drain() + '}';
  }

  // ---- enums that record misspelt members
  const misspelt = [];
  function members(name, known) {
    const table = create(null);
    for (let i = 0; i < known.length; i++) table[known[i]] = known[i];
    return new Mirror(table, {
      get(target, key) {
        if (typeof key === 'string' && !(key in target) && key !== 'toJSON' && misspelt.length < 10) {
          put(misspelt, misspelt.length, name + '.' + cut(key, 60));
        }
        return target[key];
      },
    });
  }
  const enums = {
    SampleType: members('SampleType', ['INT8', 'UINT8', 'INT16', 'UINT16', 'FLOAT32', 'AUTO']),
    Mosaicking: members('Mosaicking', ['SIMPLE', 'ORBIT', 'TILE']),
  };

  // ---- loading
  let script = create(null);
  const check = () => guarded(() => { new Text(post.first); return 'null'; });
  const load = () => guarded(() => {
    const program = post.first;
    script = program(console, enums.SampleType, enums.Mosaicking);
    let found = '';
    for (let i = 0; i < NAMES.length; i++) {
      if (typeof script[NAMES[i]] === 'function') found += (found ? ',' : '') + stringify(NAMES[i]);
    }
    return '[' + found + ']';
  });
  const setup = () => guarded(() => {
    const user = script.setup, declared = user();
    if (declared instanceof Pledge) throw new Wrong('setup() returned a Promise; it must not be async');
    const answer = stringify(declared);
    if (typeof answer === 'string' && answer.length > ANSWER) throw new Wrong('setup() returned a very large object');
    let names = '';
    for (let i = 0; i < misspelt.length; i++) names += (i ? ',' : '') + stringify(misspelt[i]);
    return '{"declared":' + (answer === undefined ? 'null' : answer) + ',"misspelt":[' + names + ']}';
  });

  // ---- scenes: `given` is a list of [key, "orbits" | "tiles" | null, fields]; a single source is returned alone, several by key
  const instant = (fields) => new Day(fields.date === undefined ? fields.dateFrom : fields.date);
  function hidden(target, name, value) {
    define(target, name, { value, enumerable: false, configurable: true, writable: true });
  }
  function scened(kind, fields) {
    if (kind === null) return {};
    const scenes = create(arrays); // the older array form: scenes[i].date, scenes.length
    scenes[kind] = fields;
    for (let i = 0; i < fields.length; i++) hidden(scenes, i, { ...fields[i], date: instant(fields[i]) });
    hidden(scenes, 'length', fields.length);
    return scenes;
  }
  function scenesOf(given, fusion) {
    if (!fusion) return scened(given[0][1], given[0][2]);
    const all = {};
    for (let i = 0; i < given.length; i++) {
      const one = scened(given[i][1], given[i][2]);
      hidden(one, 'scenes', one);
      put(all, given[i][0], one);
    }
    return all;
  }
  function kept(scenes, kind, before, key) {
    const after = scenes === undefined || scenes === null ? undefined : scenes[kind];
    if (!isArray(after)) throw new Wrong('preProcessScenes must return collections with an array scenes.' + kind);
    return rowsOf(after, before, 'preProcessScenes returned a scene that was not among scenes.' + kind + key);
  }
  function rowsOf(after, before, fault) {
    let rows = '';
    if (after.length > before.length) throw new Wrong(fault + ': there are more than it was given');
    for (let i = 0; i < after.length; i++) {
      let row = -1;
      for (let k = 0; k < before.length; k++) if (before[k] === after[i]) row = k;
      if (row < 0 && typeof after[i] === 'object' && after[i] !== null) row = after[i].__idx;
      if (!whole(row) || row < 0 || row >= before.length) throw new Wrong(fault);
      rows += (i ? ',' : '') + row;
    }
    return '[' + rows + ']';
  }
  const preprocess = () => guarded(() => {
    const { given, fusion, from, to } = parse(post.first), user = script.preProcessScenes;
    const collections = { from: new Day(from), to: new Day(to) }, before = [];
    for (let i = 0; i < given.length; i++) {
      const key = given[i][0], kind = given[i][1], fields = given[i][2], copy = [];
      for (let k = 0; k < fields.length; k++) put(copy, k, fields[k]);
      put(before, i, copy);
      const scenes = kind === null ? {} : { [kind]: fields };
      if (fusion) put(collections, key, { from: new Day(from), to: new Day(to), scenes }); else collections.scenes = scenes;
    }
    const after = user(collections);
    if (typeof after !== 'object' || after === null) throw new Wrong('preProcessScenes must return collections');
    let rows = '';
    for (let i = 0; i < given.length; i++) {
      const key = given[i][0], kind = given[i][1], source = fusion ? after[key] : after;
      rows += (i ? ',' : '') + (kind === null ? '[]' : kept(source && source.scenes, kind, before[i], fusion ? ' of ' + key : ''));
    }
    return '[' + rows + ']';
  });
  // The older function: filterScenes(scenes, inputMetadata) receives the scenes of the only source as an array, and
  // returns those to keep.
  const filter = () => guarded(() => {
    const { given, from, to } = parse(post.first), user = script.filterScenes, fields = given[0][2];
    const scenes = [], before = [];
    for (let k = 0; k < fields.length; k++) {
      const scene = { ...fields[k], date: instant(fields[k]) };
      put(scenes, k, scene);
      put(before, k, scene);
    }
    const after = user(scenes, { from: new Day(from), to: new Day(to) });
    if (!isArray(after)) throw new Wrong('filterScenes must return an array of the scenes that stay');
    return rowsOf(after, before, 'filterScenes returned a scene that it was not given');
  });
  const updateOutput = () => guarded(() => {
    const { output, given, fusion } = parse(post.first), user = script.updateOutput, collection = {};
    for (let i = 0; i < given.length; i++) {
      const scenes = [], fields = given[i][2];
      for (let k = 0; k < fields.length; k++) put(scenes, k, { ...fields[k], date: instant(fields[k]) });
      if (fusion) put(collection, given[i][0], { scenes }); else collection.scenes = scenes;
    }
    const ids = keys(output);
    user(output, collection);
    let counts = '';
    for (let i = 0; i < ids.length; i++) {
      const entry = output[ids[i]], bands = number(entry && entry.bands);
      counts += (i ? ',' : '') + stringify(ids[i]) + ':' + (whole(bands) ? bands : 'null');
    }
    return '{' + counts + '}';
  });

  // ---- pixels: one buffer of shared memory, views of it, and the loop over segments
  const room = { buffer: null, start: 0, bounds: null };
  const harnesses = create(null);
  function allocate() {
    room.buffer = new Shared(post.first);
    return room.buffer;
  }
  function anchor() {
    room.start = post.first;
    room.bounds = new kinds.i4(room.buffer, room.start, 2 * SEGMENTS);
  }
  const view = (kind, offset, length) => new kinds[kind](room.buffer, room.start + offset, length);

  // Handles results of evaluatePixel other than plain numbers in the expected places. undefined or null in an array
  // becomes 0 in an output of an integer type, otherwise NaN; a missing output becomes NaN.
  function odd(outputs, images, columns) {
    const missing = new kinds.f8(outputs.length + 1), zeros = new kinds.f8(outputs.length + 1);
    const clear = () => { for (let q = 0; q <= outputs.length; q++) missing[q] = zeros[q] = 0; };
    clear();
    function settle(result, i) {
      const nothing = result === undefined || result === null;
      if (nothing) missing[outputs.length] += 1;
      if (result instanceof Pledge) throw new Wrong('evaluatePixel returned a Promise; it must not be async');
      if (!nothing && typeof result !== 'object' && !(images === 1 && typeof result !== 'function')) {
        throw new Wrong('evaluatePixel returned a ' + typeof result + '; return an object of arrays');
      }
      for (let q = 0, column = 0; q < outputs.length; q++) {
        const id = outputs[q][0], count = outputs[q][1];
        let absent = NaN, zero = 0;
        let bands = nothing ? undefined : typeof result === 'object' ? outputOf(result, id) : undefined;
        if (bands === undefined && !nothing && images === 1 && q === 0 && (typeof result !== 'object' || isArray(result))) {
          bands = result;
        }
        if (bands === undefined || bands === null) {
          if (!nothing) missing[q] += 1;
          bands = [];
        } else {
          if (typeof bands !== 'object') bands = [bands];
          if (outputs[q][2]) absent = 0;
        }
        for (let j = 0; j < count; j++, column++) {
          const value = bands[j];
          const lacking = value === undefined || value === null;
          columns[column][i] = lacking ? absent : numeric(value, id);
          if (lacking) zero = 1;
        }
        if (absent === 0) zeros[q] += zero;
      }
    }
    // Numbers of samples: per output, those that lack it; those without any result; per output, those with undefined as 0.
    function gaps() {
      let counts = '';
      for (let q = 0; q <= outputs.length; q++) counts += missing[q] + ',';
      for (let q = 0; q < outputs.length; q++) counts += (q ? ',' : '') + zeros[q];
      clear();
      return '[' + counts + ']';
    }
    return { settle, gaps };
  }
  // An output may have the name of something that all objects or arrays have: `constructor`, `toString`, `map`, `length`.
  function outputOf(result, id) {
    const own = apply(owns, result, [id]);
    if (own && id === 'length' && isArray(result)) return undefined;
    const value = result[id];
    return own || typeof value !== 'function' ? value : undefined;
  }
  function numeric(value, id) {
    const type = typeof value;
    if (type === 'number') return value;
    if (type === 'boolean' || type === 'string') return number(value);
    throw new Wrong('a value of output ' + id + ' is ' + (type === 'object' ? 'an object or array' : 'a ' + type) + ', not a number');
  }

  let call = { scenes: {}, input: {}, custom: {}, output: {} };
  const begin = () => guarded(() => {
    const { given, fusion, input } = parse(post.first);
    call = { scenes: scenesOf(given, fusion), input, custom: {}, output: { userData: undefined } };
    return 'null';
  });
  // Runs harness number ⌊first / CALLS⌋ over first % CALLS segments. The answer's faults are [segment, message, stack,
  // class] for those that threw; once these texts reach the limit, only [segment], which repeats the fault before it.
  const run = () => guarded(() => {
    const segments = post.first % CALLS, harness = harnesses[(post.first - segments) / CALLS];
    const { scenes, input, custom, output } = call, bounds = room.bounds, span = harness.span;
    let faults = '', size = 0;
    for (let k = 0; k < segments; k++) {
      try { span(bounds[2 * k], bounds[2 * k + 1], scenes, input, custom, output); } catch (error) {
        const fault = size > ANSWER ? '' : ',' + faultOf(error);
        size += fault.length;
        faults += (faults ? ',' : '') + '[' + k + fault + ']';
      }
    }
    return '{"faults":[' + faults + '],"gaps":' + harness.gaps() + '}';
  });
  const finish = () => guarded(() => {
    const user = script.updateOutputMetadata;
    if (typeof user === 'function') {
      try { user(call.scenes, call.input, call.output); } catch (error) { say('updateOutputMetadata: ' + text(error)); }
    }
    return 'null';
  });
  function attach() {
    const build = post.second;
    harnesses[post.first] = build(view, odd, list, script.evaluatePixel);
  }
  return { post, check, load, setup, preprocess, filter, updateOutput, allocate, anchor, attach, begin, run, finish };
})
