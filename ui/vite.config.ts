import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// The server's content policy allows nothing inline and nothing off-host, so
// small assets stay files instead of becoming data: addresses.
export default defineConfig({
  plugins: [react()],
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 400,
    modulePreload: { polyfill: false },
  },
  server: {
    port: 5199,
    proxy: { "/api": process.env["CLEW_URL"] ?? "http://127.0.0.1:4318" },
  },
  test: { include: ["src/**/*.test.ts"], environment: "node" },
});
