import { describe, expect, it } from "vitest";

import {
  clockTime,
  compact,
  dayTime,
  decimal,
  direction,
  duration,
  fullSymbol,
  percent,
  price,
  quantity,
  rupees,
  score,
  shortSymbol,
  UNKNOWN,
  words,
} from ".";

describe("numbers", () => {
  it("are grouped as India groups them", () => {
    expect(price(1234567)).toBe("12,34,567.00");
    expect(quantity(150000)).toBe("1,50,000");
    expect(rupees("98765432.1000")).toBe("₹9,87,65,432.10");
  });

  it("carry their sign beside the colour", () => {
    expect(rupees(-12.5, { isSigned: true })).toBe("−₹12.50");
    expect(rupees(12.5, { isSigned: true })).toBe("+₹12.50");
    expect(percent(1.234)).toBe("+1.23%");
    expect(score(-3.754)).toBe("−3.75");
    expect(direction(-0.1)).toBe("down");
  });

  it("have no sign when they round to zero", () => {
    expect(decimal(-0.001, 2, true)).toBe("0.00");
  });

  it("say lakh and crore when they are large", () => {
    expect(compact(99_999)).toBe("99,999");
    expect(compact(421_100)).toBe("4.21 L");
    expect(compact(-126_000_000)).toBe("−12.60 Cr");
  });

  it("are a dash when they are not known", () => {
    for (const unknown of [null, undefined, "", Number.NaN, Infinity]) expect(price(unknown)).toBe(UNKNOWN);
    expect(percent(null)).toBe(UNKNOWN);
    expect(direction(null)).toBe("flat");
  });
});

describe("times", () => {
  it("are of India wherever the reader sits", () => {
    expect(clockTime(Date.UTC(2024, 0, 25, 3, 45, 7))).toBe("09:15:07");
    expect(dayTime("2024-01-25T19:00:00Z")).toBe("26 Jan 2024 00:30:00");
    expect(clockTime("no time")).toBe(UNKNOWN);
  });

  it("last in their two largest units", () => {
    expect(duration(0.84)).toBe("0.8 s");
    expect(duration(125)).toBe("2 min 5 s");
    expect(duration(90_000)).toBe("1 d 1 h");
    expect(duration(3600)).toBe("1 h");
    expect(duration(null)).toBe(UNKNOWN);
  });
});

describe("names", () => {
  it("leave out the usual exchange alone", () => {
    expect(shortSymbol("NSE:RELIANCE")).toBe("RELIANCE");
    expect(shortSymbol("NFO:NIFTY25NOVFUT")).toBe("NFO:NIFTY25NOVFUT");
    expect(fullSymbol(" reliance ")).toBe("NSE:RELIANCE");
    expect(fullSymbol("BSE:TCS")).toBe("BSE:TCS");
  });

  it("spell codes as words", () => {
    expect(words("part_filled")).toBe("Part filled");
    expect(words("STRONG_BUY")).toBe("Strong buy");
  });
});
