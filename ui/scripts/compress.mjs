// Writes a .gz and a .br twin beside every compressible file of dist/, so that the
// server sends bytes it never has to compress. Twins that save nothing are left out.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const dist = new URL("../dist", import.meta.url).pathname;
const compressible = /\.(js|css|html|svg|json)$/;

for (const entry of readdirSync(dist, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile() || !compressible.test(entry.name)) continue;
  const path = join(entry.parentPath, entry.name);
  const raw = readFileSync(path);
  const twins = {
    gz: gzipSync(raw, { level: 9 }),
    br: brotliCompressSync(raw, { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: raw.length } }),
  };
  for (const [ext, bytes] of Object.entries(twins)) {
    if (bytes.length < raw.length) writeFileSync(`${path}.${ext}`, bytes);
  }
}
// The build empties the folder; the Go compiler needs at least this file in it.
writeFileSync(join(dist, ".gitkeep"), "");
