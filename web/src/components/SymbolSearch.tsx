/** Finds an instrument by a part of its symbol or name. */

import { Select } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";

import { queries } from "../api";
import { shortSymbol } from "../format";
import { SearchIcon } from "./icons";

interface SymbolSearchProps {
  value: string | null;
  onChange: (symbol: string) => void;
  label?: string;
  /** Show the label above the field; otherwise it is only read aloud. */
  isLabelled?: boolean;
  error?: string | undefined;
  placeholder?: string;
  width?: number | string;
}

export function SymbolSearch(props: SymbolSearchProps) {
  const { value, onChange, label = "Instrument", isLabelled = false } = props;
  const [typed, setTyped] = useState("");
  const [asked] = useDebouncedValue(typed, 200);
  const found = useQuery({
    ...queries.instruments(asked.trim() === "" ? { limit: 100 } : { query: asked.trim(), limit: 30 }),
    placeholderData: keepPreviousData,
  });
  const options = useMemo(() => {
    const list = (found.data ?? []).map(({ symbol, name }) => ({
      value: symbol,
      label: shortSymbol(symbol),
      name,
    }));
    if (value !== null && !list.some((option) => option.value === value))
      list.unshift({ value, label: shortSymbol(value), name: "" });
    return list;
  }, [found.data, value]);
  const names = useMemo(() => new Map(options.map((option) => [option.value, option.name])), [options]);
  return (
    <Select
      aria-label={label}
      {...(isLabelled ? { label } : {})}
      data={options}
      value={value}
      onChange={(symbol) => {
        if (symbol !== null) onChange(symbol);
      }}
      searchable
      placeholder={props.placeholder ?? ""}
      onSearchChange={(text) => setTyped(value !== null && text === shortSymbol(value) ? "" : text)}
      filter={({ options: all }) => all}
      renderOption={({ option }) => (
        <span>
          <strong>{option.label}</strong>{" "}
          <span className="dim">
            {names.get(option.value) === option.label ? "" : names.get(option.value)}
          </span>
        </span>
      )}
      nothingFoundMessage={found.isPending ? "Searching…" : "No instrument of that name"}
      leftSection={<SearchIcon size={14} />}
      allowDeselect={false}
      maxDropdownHeight={320}
      comboboxProps={{ width: 300, position: "bottom-start" }}
      w={props.width ?? 180}
      error={props.error}
    />
  );
}
