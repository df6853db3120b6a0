// Sign in: a client's id and secret for a token.
import { useState } from "preact/hooks";
import { enter } from "../api";
import { Field, Trouble, said } from "../ui";

export function SignIn({ entered }: { entered: () => void }) {
  const [trouble, setTrouble] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    setBusy(true);
    setTrouble(null);
    try {
      await enter(String(form.get("id")).trim(), String(form.get("secret")).trim());
      entered();
    } catch (error) {
      setTrouble(said(error));
      setBusy(false);
    }
  };
  return (
    <form class="card narrow" onSubmit={submit}>
      <h1>Sign in</h1>
      <p>
        With the id and secret of a client. The server's operator creates one: <code>arpent client add NAME</code>
      </p>
      <Field label="Client id">
        <input name="id" required autocomplete="username" autofocus />
      </Field>
      <Field label="Client secret" hint="It is not stored: this tab keeps a token that expires within the hour.">
        <input name="secret" type="password" required autocomplete="current-password" />
      </Field>
      <Trouble text={trouble} />
      <button disabled={busy}>Sign in</button>
    </form>
  );
}
