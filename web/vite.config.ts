import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

/** Where `npm run dev` finds a running `niftyflow demo`. */
const GATEWAY = "127.0.0.1:8000";

export default defineConfig({
  plugins: [react()],
  build: {
    outDir: "../src/niftyflow/presentation/pages",
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 1600, // the API's reference, which is a page of its own
    rolldownOptions: { input: ["index.html", "docs.html"] },
  },
  server: {
    proxy: {
      "/api": { target: `http://${GATEWAY}` },
      "/openapi.json": { target: `http://${GATEWAY}` },
      "/ws": { target: `ws://${GATEWAY}`, ws: true },
    },
  },
  test: { environment: "jsdom", include: ["src/**/*.test.{ts,tsx}"], restoreMocks: true },
});
