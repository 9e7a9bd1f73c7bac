/** Starts a strategy: its kind, where it trades, and what it is told. */

import { Button, Drawer, Group, MultiSelect, Radio, Select, Stack, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type SyntheticEvent, useMemo, useState } from "react";

import { api, messageOf, queries, type Strategy, type StrategyKind } from "../../api";
import { Failed, Loading, tellDone } from "../../components";
import { shortSymbol } from "../../format";
import { fieldsOf, firstValues, freeName, NAME, parametersOf, problemOf, type Values } from "./schema";
import { SchemaForm } from "./SchemaForm";
import classes from "./Strategies.module.css";

/** A strategy to start again, or "new". */
export type Begin = Strategy | "new" | null;

interface StartStrategyProps {
  begin: Begin;
  taken: readonly string[];
  onClose: () => void;
}

export function StartStrategy({ begin, taken, onClose }: StartStrategyProps) {
  const kinds = useQuery({ ...queries.strategyKinds(), enabled: begin !== null });
  return (
    <Drawer
      opened={begin !== null}
      onClose={onClose}
      title={begin === null || begin === "new" ? "Start a strategy" : `Start ${begin.name} again`}
    >
      {kinds.error !== null && <Failed error={kinds.error} onRetry={() => void kinds.refetch()} />}
      {kinds.isPending && <Loading />}
      {begin !== null && kinds.data !== undefined && (
        <Form kinds={kinds.data} old={begin === "new" ? null : begin} taken={taken} onClose={onClose} />
      )}
    </Drawer>
  );
}

interface FormProps {
  kinds: readonly StrategyKind[];
  old: Strategy | null;
  taken: readonly string[];
  onClose: () => void;
}

function Form({ kinds, old, taken, onClose }: FormProps) {
  const client = useQueryClient();
  const [kind, setKind] = useState(old?.kind ?? kinds[0]?.kind ?? "");
  const fields = useMemo(
    () => fieldsOf(kinds.find((each) => each.kind === kind)?.parameters ?? {}),
    [kinds, kind],
  );
  const [name, setName] = useState(old?.name ?? freeName(kind, taken));
  const [instruments, setInstruments] = useState<string[]>([...(old?.instruments ?? [])]);
  const [onError, setOnError] = useState<"hold" | "square_off" | null>(null);
  const [values, setValues] = useState<Values>(() => firstValues(fields, old?.parameters));
  const [isPressed, setPressed] = useState(false);
  const start = useMutation({
    mutationFn: () =>
      api.startStrategy({
        name,
        kind,
        instruments,
        parameters: parametersOf(fields, values),
        ...(onError === null ? {} : { on_error: onError }),
      }),
    onSuccess: ({ command }) => {
      tellDone(command.is_done === null ? "Given. Trading has not answered yet." : `${name} runs.`);
      onClose();
      return client.invalidateQueries({ queryKey: ["strategies"] });
    },
  });
  const choose = (next: string): void => {
    setKind(next);
    setValues(firstValues(fieldsOf(kinds.find((each) => each.kind === next)?.parameters ?? {})));
    if (name === freeName(kind, taken)) setName(freeName(next, taken));
  };
  const nameProblem = NAME.test(name) ? null : "Small letters, digits and hyphens, at most 40";
  const isRight =
    nameProblem === null && fields.every((field) => problemOf(field, values[field.name] ?? null) === null);
  const submit = (event: SyntheticEvent): void => {
    event.preventDefault();
    setPressed(true);
    if (isRight) start.mutate();
  };
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="md">
        {old === null && (
          <Radio.Group label="Kind" value={kind} onChange={choose}>
            <div className={classes.kinds}>
              {kinds.map((each) => (
                <Radio.Card key={each.kind} value={each.kind} className={classes.kind ?? ""}>
                  <Radio.Indicator size="xs" />
                  <span>
                    <strong>{each.kind}</strong>
                    <span className="dim">{each.title}</span>
                  </span>
                </Radio.Card>
              ))}
            </div>
          </Radio.Group>
        )}
        <TextInput
          label="Name"
          description="Under it its orders and profit are kept"
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
          readOnly={old !== null}
          error={isPressed ? nameProblem : null}
          maxLength={40}
        />
        <Instruments value={instruments} onChange={setInstruments} />
        <Select
          label="If it fails"
          description="What becomes of its positions when its code throws"
          placeholder="As the settings say"
          clearable
          data={[
            { value: "hold", label: "Keep them" },
            { value: "square_off", label: "Close them at the market" },
          ]}
          value={onError}
          onChange={(wish) => setOnError(wish as "hold" | "square_off" | null)}
        />
        <h3 className={classes.formHead}>Parameters</h3>
        <SchemaForm fields={fields} values={values} isChecked={isPressed} onChange={setValues} />
        {start.error !== null && (
          <p className={classes.refusal} role="alert">
            Not started: {messageOf(start.error)}
          </p>
        )}
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={onClose}>
            Back
          </Button>
          <Button type="submit" loading={start.isPending}>
            Start strategy
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

function Instruments({ value, onChange }: { value: string[]; onChange: (value: string[]) => void }) {
  const found = useQuery(queries.instruments({ kind: "equity", limit: 500 }));
  const known = (found.data ?? []).map(({ symbol }) => symbol);
  const all = [...new Set([...value, ...known])];
  return (
    <MultiSelect
      label="Instruments"
      description={value.length === 0 ? "None named: every share there is" : `${value.length} chosen`}
      placeholder={value.length === 0 ? "Every share" : ""}
      data={all.map((symbol) => ({ value: symbol, label: shortSymbol(symbol) }))}
      value={value}
      onChange={onChange}
      searchable
      clearable
      limit={80}
      maxDropdownHeight={280}
      nothingFoundMessage="No share of that name"
      classNames={{ pillsList: classes.pills ?? "" }}
    />
  );
}
