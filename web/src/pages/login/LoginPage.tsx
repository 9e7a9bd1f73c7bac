/** Lets a person in with an API key. The one-time link needs no page: its ticket is taken when the page loads. */

import { Button, PasswordInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { type SyntheticEvent, useEffect, useState } from "react";

import { api, ApiError, messageOf, queries } from "../../api";
import { Logo } from "../../shell/Logo";
import classes from "./LoginPage.module.css";

export function LoginPage() {
  const { next } = useSearch({ from: "/login" });
  const navigate = useNavigate();
  const client = useQueryClient();
  const [key, setKey] = useState("");
  useEffect(() => {
    document.title = "Log in · niftyflow";
  }, []);
  const login = useMutation({
    mutationFn: () => api.openSession({ key: key.trim() }),
    onSuccess: async () => {
      await client.query({ ...queries.session(), staleTime: 0 });
      await navigate({ to: next ?? "/", replace: true });
    },
  });
  const submit = (event: SyntheticEvent): void => {
    event.preventDefault();
    if (key.trim() !== "") login.mutate();
  };
  const isRefused = login.error instanceof ApiError && login.error.isUnauthorised;
  const error = isRefused
    ? "This key is not known, has expired or was revoked."
    : login.error && messageOf(login.error);
  return (
    <main className={classes.page}>
      <form className={classes.card} onSubmit={submit}>
        <Logo size={30} />
        <h1>Log in</h1>
        <p>
          Open the one-time link that the server printed when it started, or make a new one with{" "}
          <code>niftyflow link</code>.
        </p>
        <PasswordInput
          label="Or paste an API key"
          placeholder="nfk_…"
          value={key}
          onChange={(event) => setKey(event.currentTarget.value)}
          error={error}
          autoComplete="off"
          spellCheck={false}
          data-autofocus
        />
        <Button type="submit" size="sm" fullWidth loading={login.isPending} disabled={key.trim() === ""}>
          Log in
        </Button>
      </form>
    </main>
  );
}
