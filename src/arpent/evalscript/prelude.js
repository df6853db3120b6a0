// The built-in functions of evalscripts (sentinelhub.md 5.4). Every call returns fresh arrays: scripts push onto what
// they get.
const JAVA_DOUBLE_MAX_VAL = 1.7976931348623157E308;

function index(x, y) {
  const sum = x + y;
  return sum === 0 ? 0 : (x - y) / sum;
}

function inverse(x) {
  return x === 0 ? JAVA_DOUBLE_MAX_VAL : 1 / x;
}

// Step map over (from, to].
function valueMap(value, intervals, values) {
  if (intervals === undefined || values === undefined) return value;
  for (let i = 0; i < intervals.length - 1; i++) if (value <= intervals[i]) return values[i];
  return values[intervals.length - 1];
}

function valueInterpolate(value, intervals, values) {
  if (intervals === undefined || values === undefined) return value;
  const last = intervals.length - 1;
  const copy = (entry) => (typeof entry === 'number' ? entry : [...entry]);
  if (value <= intervals[0]) return copy(values[0]);
  for (let i = 1; i <= last; i++) {
    if (value > intervals[i]) continue;
    const low = values[i - 1], high = values[i], share = (value - intervals[i - 1]) / (intervals[i] - intervals[i - 1]);
    if (typeof low === 'number') return low + (high - low) * share;
    const mixed = [];
    for (let k = 0; k < low.length; k++) mixed.push(low[k] + (high[k] - low[k]) * share);
    return mixed;
  }
  return copy(values[last]);
}

function colorBlend(value, limits, colors) {
  return valueInterpolate(value, limits, colors);
}

// A colour is 0xRRGGBB; the documented triplets have 0 to 255 per channel.
function int2rgb(color) {
  return [(color >> 16) & 255, (color >> 8) & 255, color & 255];
}

function rgb2int(color) {
  return (color[0] << 16) + (color[1] << 8) + color[2];
}

function normalizeRGB(color) {
  const shares = [];
  for (let k = 0; k < color.length; k++) shares.push(color[k] / 255);
  return shares;
}

function combine(color1, color2, alpha) {
  const mixed = [];
  for (let k = 0; k < color1.length; k++) mixed.push(alpha * color1[k] + (1 - alpha) * color2[k]);
  return mixed;
}

const blueRed = [
  [1.000, 0x000080], [0.875, 0x0000FF], [0.625, 0x00FFFF], [0.375, 0xFFFF00], [0.125, 0xFF0000], [0.000, 0x800000],
];
const redTemperature = [
  [1.000, 0x000000], [0.525, 0xAE0000], [0.300, 0xFF6E00], [0.250, 0xFF8600], [0.000, 0xFFFFFF],
];
const greenWhite = [[1.000, 0x000000], [0.600, 0x006600], [0.300, 0x80B300], [0.000, 0xFFFFFF]];
const oceanColor = [
  [0.0000, 0x93006C], [0.0471, 0x6F0090], [0.0980, 0x4800B7], [0.1490, 0x2100DE], [0.2000, 0x000AFF],
  [0.2471, 0x004AFF], [0.2980, 0x0090FF], [0.3490, 0x00D5FF], [0.4000, 0x00FFD7], [0.4471, 0x00FF77],
  [0.4980, 0x00FF0F], [0.5490, 0x60FF00], [0.6000, 0xC8FF00], [0.6471, 0xFFEB00], [0.6980, 0xFFB700],
  [0.7490, 0xFF8300], [0.8000, 0xFF4F00], [0.8471, 0xFF1F00], [0.8980, 0xE60000], [0.9490, 0xA50000],
  [1.0000, 0x690000],
].map(([limit, color]) => [limit, normalizeRGB(int2rgb(color))]);

class ColorMapVisualizer {
  constructor(pairs) {
    this.limits = pairs.map((pair) => pair[0]);
    this.colors = pairs.map((pair) => (typeof pair[1] === 'number' ? normalizeRGB(int2rgb(pair[1])) : [...pair[1]]));
  }

  process(value) {
    let k = this.limits.length - 1;
    while (k > 0 && !(value >= this.limits[k])) k -= 1;
    return [...this.colors[k]];
  }

  static createDefaultColorMap() {
    return new ColorMapVisualizer([
      [-1.0, 0x000000], [-0.2, 0xff0000], [-0.1, 0x9a0000], [0.0, 0x660000], [0.1, 0xffff33], [0.2, 0xcccc33],
      [0.3, 0x666600], [0.4, 0x33ffff], [0.5, 0x33cccc], [0.6, 0x006666], [0.7, 0x33ff33], [0.8, 0x33cc33],
      [0.9, 0x006600],
    ]);
  }
}

// Linear per channel in 0 … 255, then truncated to whole numbers: halfway between red and blue is 127/255, not 0.5.
class ColorRampVisualizer {
  constructor(ramps, minimum, maximum) {
    const sorted = [...ramps].sort((one, other) => one[0] - other[0]);
    const first = sorted[0][0], extent = sorted[sorted.length - 1][0] - first;
    const low = minimum === undefined ? first : minimum;
    const high = maximum === undefined ? first + extent : maximum;
    const moved = minimum !== undefined || maximum !== undefined;
    this.limits = sorted.map((ramp) => (moved ? low + ((ramp[0] - first) / extent) * (high - low) : ramp[0]));
    this.colors = sorted.map((ramp) => (typeof ramp[1] === 'number'
      ? int2rgb(ramp[1]) : [...ramp[1]].map((share) => Math.round(share * 255))));
  }

  process(value) {
    const limits = this.limits, colors = this.colors, last = limits.length - 1;
    let above = 0;
    while (above < last && value > limits[above]) above += 1;
    if (above === 0 || !(value < limits[above])) return normalizeRGB(colors[above]);
    const low = colors[above - 1], high = colors[above];
    const share = (value - limits[above - 1]) / (limits[above] - limits[above - 1]);
    const mixed = [];
    // slightly more than the share: 300 - 1 of 200 … 300 is 0.99, and 0.99 * 255 must not fall to 252.4499…
    for (let k = 0; k < low.length; k++) mixed.push(Math.floor(low[k] + (high[k] - low[k]) * share + 1e-9) / 255);
    return mixed;
  }

  inverse() {
    const turned = Object.create(ColorRampVisualizer.prototype);
    turned.limits = [...this.limits];
    turned.colors = [...this.colors].reverse();
    return turned;
  }

  // The documented samples of these three run from the table's last colour to its first.
  static createRedTemperature(minimum, maximum) { return new ColorRampVisualizer(redTemperature, minimum, maximum).inverse(); }

  static createWhiteGreen(minimum, maximum) { return new ColorRampVisualizer(greenWhite, minimum, maximum).inverse(); }

  static createBlueRed(minimum, maximum) { return new ColorRampVisualizer(blueRed, minimum, maximum).inverse(); }

  static createOceanColor(minimum, maximum) { return new ColorRampVisualizer(oceanColor, minimum, maximum); }
}

// Deprecated. Rounds where the ramp truncates; a table that descends from 1 is reversed: its first colour is the minimum's.
class ColorGradientVisualizer {
  constructor(pairs, minimum = 0, maximum = 1) {
    const last = pairs.length - 1, backwards = pairs[0][0] > pairs[last][0];
    const place = (limit) => (backwards ? minimum + (1 - limit) * (maximum - minimum) : limit);
    this.limits = pairs.map((pair) => place(pair[0]));
    this.colors = pairs.map((pair) => (typeof pair[1] === 'number'
      ? int2rgb(pair[1]) : [...pair[1]].map((share) => Math.round(share * 255))));
  }

  process(value) {
    return normalizeRGB(valueInterpolate(value, this.limits, this.colors).map((level) => Math.round(level)));
  }

  static createRedTemperature(minimum, maximum) { return new ColorGradientVisualizer(redTemperature, minimum, maximum); }

  static createWhiteGreen(minimum, maximum) { return new ColorGradientVisualizer(greenWhite, minimum, maximum); }

  static createBlueRed(minimum, maximum) { return new ColorGradientVisualizer(blueRed, minimum, maximum); }
}

class HighlightCompressVisualizer {
  constructor(minimum = 0, maximum = 1, gain = 1, offset = 0, gamma = 1) {
    this.minimum = minimum;
    this.extent = maximum - minimum;
    this.gain = gain;
    this.offset = offset;
    this.gamma = gamma;
  }

  process(value, i) {
    const place = (value * this.gain + this.offset - this.minimum) / this.extent;
    const level = place <= 0.92 ? Math.max(0, place) : Math.min(1, 0.92 + ((place - 0.92) * 0.08) / 1.08);
    return this.gamma === 1 ? level : Math.pow(level, this.gamma);
  }

  processList(values) {
    return values.map((value, i) => this.process(value, i));
  }
}

// Not in the documentation's list, but in its examples: a plain stretch to 0 … 1.
class DefaultVisualizer {
  constructor(minimum = 0, maximum = 1, gain = 1, offset = 0, gamma = 1) {
    this.minimum = minimum;
    this.extent = maximum - minimum;
    this.gain = gain;
    this.offset = offset;
    this.gamma = gamma;
  }

  process(value) {
    const level = Math.min(1, Math.max(0, (value * this.gain + this.offset - this.minimum) / this.extent));
    return this.gamma === 1 ? level : Math.pow(level, this.gamma);
  }

  processList(values) {
    return values.map((value) => this.process(value));
  }
}

// Also undocumented, but published scripts create one: it returns the value unchanged.
class Identity {
  process(value) { return value; }

  processList(values) { return [...values]; }
}

function decodeS3OLCIQualityFlags(value) {
  const names = ['land', 'coastline', 'fresh_inland_water', 'tidal_region', 'bright', 'straylight_risk', 'invalid',
    'cosmetic', 'duplicated', 'sun_glint_risk', 'dubious'];
  const flags = {};
  for (let k = 0; k < names.length; k++) flags[names[k]] = (value >>> (31 - k)) & 1;
  for (let band = 1; band <= 21; band++) flags['saturatedB' + (band < 10 ? '0' : '') + band] = (value >>> (21 - band)) & 1;
  return flags;
}

function decodeL8C2Qa(value) {
  const flags = {};
  const names = ['fill', 'dilatedCloud', 'cirrus', 'cloud', 'cloudShadow', 'snow', 'clear', 'water'];
  for (let bit = 0; bit < names.length; bit++) flags[names[bit]] = (value >> bit) & 1;
  const degrees = ['cloudConfidence', 'cloudShadowConfidence', 'snowIceConfidence', 'cirrusConfidence'];
  for (let k = 0; k < degrees.length; k++) flags[degrees[k]] = (value >> (8 + 2 * k)) & 3;
  return flags;
}
