/** The ticket of a new order. It checks what can be checked here; the risk gate has the last word, and its words are shown. */

import { Button, Group, NumberInput, SegmentedControl, Stack } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { type SyntheticEvent, useRef, useState } from "react";

import {
  api,
  type Instrument,
  type OrderType,
  type Product,
  queries,
  type Side,
  type Validity,
} from "../../api";
import { SymbolSearch } from "../../components";
import { fullSymbol, numberOf, quantity, rupees, shortSymbol } from "../../format";
import { usePrice } from "../../live";
import { named, tellAnswer, useRefresh } from "./actions";
import { Confirm } from "./Confirm";
import classes from "./Orders.module.css";
import { PriceLine } from "./PriceLine";
import { Refusal } from "./Refusal";
import {
  decimalsOf,
  type Draft,
  EMPTY,
  hasPrice,
  hasTrigger,
  LARGE_RUPEES,
  newKey,
  orderOf,
  type Problems,
  problemsOf,
  valueOf,
} from "./ticket";

interface OrderTicketProps {
  symbol?: string | undefined;
  side?: Side | undefined;
  mayTrade: boolean;
  onPlaced: () => void;
}

/** Return the instrument of a symbol; null before it is known. */
function useInstrument(symbol: string | null): Instrument | null {
  const found = useQuery({
    ...queries.instruments({ query: shortSymbol(symbol ?? ""), limit: 30 }),
    enabled: symbol !== null,
  });
  return found.data?.find((each) => each.symbol === symbol) ?? null;
}

export function OrderTicket({ symbol, side, mayTrade, onPlaced }: OrderTicketProps) {
  const [draft, setDraft] = useState<Draft>({
    ...EMPTY,
    symbol: symbol === undefined ? null : fullSymbol(symbol),
    side: side ?? "BUY",
  });
  const [isPressed, setPressed] = useState(false);
  const [isAsking, setAsking] = useState(false);
  const key = useRef(newKey());
  const refresh = useRefresh();
  const instrument = useInstrument(draft.symbol);
  const ltp = usePrice(draft.symbol ?? "")?.ltp;
  const value = valueOf(draft, ltp);
  const problems = problemsOf(draft, instrument);
  const place = useMutation({
    mutationFn: () => api.placeOrder(orderOf(draft), key.current),
    onSuccess: (answer) => {
      tellAnswer(answer, `Placed: ${named(orderOf(draft))}`);
      key.current = newKey();
      setPressed(false);
      setDraft({ ...draft, quantity: "", price: "", trigger: "" });
      onPlaced();
      return refresh();
    },
    onSettled: () => setAsking(false),
  });
  const change = (part: Partial<Draft>): void => {
    // Another order is meant from here on.
    key.current = newKey();
    place.reset();
    setDraft({ ...draft, ...part });
  };
  const submit = (event: SyntheticEvent): void => {
    event.preventDefault();
    setPressed(true);
    if (Object.keys(problems).length > 0) return;
    if (value === null || value > LARGE_RUPEES) setAsking(true);
    else place.mutate();
  };
  const shown: Problems = isPressed ? problems : {};
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="sm">
        <SymbolSearch
          label="Instrument"
          isLabelled
          value={draft.symbol}
          onChange={(next) => change({ symbol: next, price: "", trigger: "" })}
          error={shown.symbol}
          width="100%"
        />
        {draft.symbol !== null && <PriceLine symbol={draft.symbol} />}
        <Choices draft={draft} onChange={change} />
        <Amounts draft={draft} instrument={instrument} problems={shown} onChange={change} />
        <dl className={classes.estimate}>
          <dt>Value, about</dt>
          <dd className="num">{rupees(value)}</dd>
        </dl>
        {place.error !== null && <Refusal what="Not placed" error={place.error} />}
        <Button type="submit" size="sm" loading={place.isPending} disabled={!mayTrade} fullWidth>
          {buttonText(draft)}
        </Button>
        {!mayTrade && <span className="dim">This key may look, and not trade.</span>}
      </Stack>
      <Confirm
        isOpen={isAsking}
        title="Place a large order?"
        action={buttonText(draft)}
        isBusy={place.isPending}
        onConfirm={() => place.mutate()}
        onClose={() => setAsking(false)}
      >
        {value === null
          ? `The value of ${named(orderOf(draft))} is not known: there is no last price.`
          : `${named(orderOf(draft))} is worth about ${rupees(value, { decimals: 0 })}.`}
      </Confirm>
    </form>
  );
}

function buttonText(draft: Draft): string {
  const units = numberOf(draft.quantity);
  const what = draft.symbol === null ? "" : ` ${shortSymbol(draft.symbol)}`;
  return `${draft.side === "BUY" ? "Buy" : "Sell"}${units === null ? "" : ` ${quantity(units)}`}${what}`;
}

interface PartProps {
  draft: Draft;
  onChange: (part: Partial<Draft>) => void;
}

function Choices({ draft, onChange }: PartProps) {
  return (
    <>
      <SegmentedControl
        fullWidth
        aria-label="Side"
        data={[
          { value: "BUY", label: "Buy" },
          { value: "SELL", label: "Sell" },
        ]}
        value={draft.side}
        onChange={(side) => onChange({ side: side as Side })}
      />
      <SegmentedControl
        fullWidth
        aria-label="Type"
        data={[
          { value: "MARKET", label: "Market" },
          { value: "LIMIT", label: "Limit" },
          { value: "SL", label: "SL" },
          { value: "SL-M", label: "SL-M" },
        ]}
        value={draft.type}
        onChange={(type) => onChange({ type: type as OrderType })}
      />
      <Group gap="xs" grow wrap="nowrap">
        <SegmentedControl
          aria-label="Product"
          data={["MIS", "CNC"]}
          value={draft.product}
          onChange={(product) => onChange({ product: product as Product })}
        />
        <SegmentedControl
          aria-label="Validity"
          data={["DAY", "IOC"]}
          value={draft.validity}
          onChange={(validity) => onChange({ validity: validity as Validity })}
        />
      </Group>
    </>
  );
}

export function Amounts(
  props: PartProps & { instrument: Instrument | null; problems: Problems; isChange?: boolean },
) {
  const { draft, onChange, instrument, problems } = props;
  const lot = instrument?.lot_size ?? 1;
  const tick = numberOf(instrument?.tick_size) ?? 0.05;
  const money = {
    step: tick,
    min: 0,
    decimalScale: decimalsOf(tick),
    thousandSeparator: ",",
    thousandsGroupStyle: "lakh",
    leftSection: <span className="dim">₹</span>,
    hideControls: false,
  } as const;
  return (
    <>
      <NumberInput
        label={lot > 1 ? `Quantity, in lots of ${lot}` : "Quantity"}
        value={draft.quantity}
        onChange={(units) => onChange({ quantity: units })}
        min={lot}
        step={lot}
        clampBehavior="none"
        allowDecimal={false}
        allowNegative={false}
        thousandSeparator=","
        thousandsGroupStyle="lakh"
        error={problems.quantity}
        data-autofocus={draft.symbol !== null || undefined}
      />
      {hasTrigger(draft.type) && (
        <NumberInput
          label="Trigger"
          {...money}
          clampBehavior="none"
          value={draft.trigger}
          onChange={(trigger) => onChange({ trigger })}
          error={problems.trigger}
        />
      )}
      {hasPrice(draft.type) && (
        <NumberInput
          label="Price"
          {...money}
          clampBehavior="none"
          value={draft.price}
          onChange={(price) => onChange({ price })}
          error={problems.price}
        />
      )}
    </>
  );
}
