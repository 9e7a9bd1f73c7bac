/** The fields of a JSON schema, one below the other. */

import { MultiSelect, NumberInput, Select, Switch, TagsInput, TextInput } from "@mantine/core";

import classes from "./Strategies.module.css";
import { type Field, problemOf, type Value, type Values } from "./schema";

interface SchemaFormProps {
  fields: readonly Field[];
  values: Values;
  /** Problems are told only after the first press. */
  isChecked: boolean;
  onChange: (values: Values) => void;
}

export function SchemaForm({ fields, values, isChecked, onChange }: SchemaFormProps) {
  return (
    <div className={classes.fields}>
      {fields.map((field) => {
        const value = values[field.name] ?? null;
        return (
          <FieldInput
            key={field.name}
            field={field}
            value={value}
            problem={isChecked ? problemOf(field, value) : null}
            onChange={(next) => onChange({ ...values, [field.name]: next })}
          />
        );
      })}
    </div>
  );
}

interface FieldInputProps {
  field: Field;
  value: Value;
  problem: string | null;
  onChange: (value: Value) => void;
}

function FieldInput({ field, value, problem, onChange }: FieldInputProps) {
  const shared = { label: field.label, description: field.meaning, error: problem };
  switch (field.kind) {
    case "boolean":
      return (
        <Switch
          className={classes.switch ?? ""}
          label={field.label}
          description={field.meaning}
          checked={value === true}
          onChange={(event) => onChange(event.currentTarget.checked)}
        />
      );
    case "number":
    case "integer":
      return (
        <NumberInput
          {...shared}
          value={typeof value === "number" || typeof value === "string" ? value : ""}
          onChange={(next) => onChange(next === "" ? null : next)}
          allowDecimal={field.kind === "number"}
          clampBehavior="none"
          thousandSeparator=","
          thousandsGroupStyle="lakh"
          placeholder={field.mayBeNull ? "none" : ""}
        />
      );
    case "choice":
      return (
        <Select
          {...shared}
          data={[...field.choices]}
          value={typeof value === "string" ? value : null}
          onChange={onChange}
          clearable={field.mayBeNull}
          allowDeselect={false}
        />
      );
    case "list":
      return field.choices.length > 0 ? (
        <MultiSelect {...shared} data={[...field.choices]} value={listOf(value)} onChange={onChange} />
      ) : (
        <TagsInput
          {...shared}
          value={listOf(value)}
          onChange={onChange}
          placeholder="Type one, press Enter"
        />
      );
    default:
      return (
        <TextInput
          {...shared}
          type={field.kind === "time" ? "time" : "text"}
          value={typeof value === "string" ? value : ""}
          onChange={(event) => onChange(event.currentTarget.value)}
        />
      );
  }
}

const listOf = (value: Value): string[] => (Array.isArray(value) ? [...(value as readonly string[])] : []);
