// The official JavaScript client, unmodified but for its root, trading and listening; prints one line of JSON.
// Usage: node kite_trading_client.cjs HTTP_ROOT WS_ROOT API_KEY API_SECRET REQUEST_TOKEN SYMBOL TOKEN
"use strict";
const [http, ws, apiKey, secret, requestToken, symbol, token] = process.argv.slice(2);
const { KiteConnect, KiteTicker } = require("kiteconnect");

const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

async function until(read, isThere) {
  for (;;) {
    const answer = await read();
    if (isThere(answer)) return answer;
    await pause(20);
  }
}

async function main() {
  const told = { updates: [], ticks: 0 };
  const kite = new KiteConnect({ api_key: apiKey, root: http });
  const login = await kite.generateSession(requestToken, secret);
  kite.setAccessToken(login.access_token);
  told.profile = await kite.getProfile();
  told.instruments = (await kite.getInstruments("NSE")).filter((each) => each.tradingsymbol).length;
  const key = `NSE:${symbol}`;
  told.quote = (await kite.getQuote([key]))[key];
  told.candles = (await kite.getHistoricalData(token, "minute", "2026-01-05 09:15:00", "2026-01-05 15:30:00")).length;

  const ticker = new KiteTicker({ api_key: apiKey, access_token: login.access_token, root: ws });
  ticker.on("ticks", (ticks) => { told.ticks += ticks.length; told.tick = ticks[0]; });
  ticker.on("order_update", (order) => told.updates.push(order));
  const connected = new Promise((done) => ticker.on("connect", done));
  ticker.connect();
  await connected;
  ticker.subscribe([Number(token)]);
  ticker.setMode(ticker.modeFull, [Number(token)]);
  await until(async () => told.ticks, (ticks) => ticks > 2);

  const price = Math.round((told.quote.last_price * 1.01) / 0.05) * 0.05;
  const order = { exchange: "NSE", tradingsymbol: symbol, transaction_type: "BUY", product: "MIS", order_type: "LIMIT" };
  const placed = await kite.placeOrder("regular", { ...order, quantity: 10, price: Number(price.toFixed(2)), tag: "js" });
  const low = Number((Math.round((price * 0.9) / 0.05) * 0.05).toFixed(2));
  const waiting = await kite.placeOrder("regular", { ...order, quantity: 5, price: low });
  const orderOf = async (id) => (await kite.getOrders()).find((each) => each.order_id === id);
  await until(() => orderOf(waiting.order_id), (each) => each.status === "OPEN");
  await kite.modifyOrder("regular", waiting.order_id, { quantity: 6 });
  await until(() => orderOf(waiting.order_id), (each) => each.quantity === 6 && each.status === "OPEN");
  await kite.cancelOrder("regular", waiting.order_id);
  told.cancelled = await until(() => orderOf(waiting.order_id), (each) => each.status === "CANCELLED");
  told.complete = await until(() => orderOf(placed.order_id), (each) => each.status === "COMPLETE");
  await until(async () => told.updates, (all) => all.some((each) => each.order_id === placed.order_id && each.status === "COMPLETE"));
  told.trades = await kite.getOrderTrades(placed.order_id);
  told.positions = (await kite.getPositions()).net;
  told.margins = await kite.getMargins("equity");
  told.refused = await kite.placeOrder("regular", { ...order, tradingsymbol: "NOBODY", quantity: 1, price: 1 })
    .then(() => null, (error) => error);
  ticker.disconnect();
  console.log(JSON.stringify(told));
  process.exit(0);
}

main().catch((error) => { console.error(error); process.exit(1); });
