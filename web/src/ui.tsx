// What all views share: the state of a call, and saving a file.
import type { ComponentChildren } from "preact";
import { useCallback, useEffect, useRef, useState } from "preact/hooks";

/** An error in words that a screen reader reads at once. */
export function Trouble({ text }: { text: string | null }) {
  return text ? (
    <p class="trouble" role="alert">
      {text}
    </p>
  ) : null;
}

export const said = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** The answer of `call`, and why there is none. A new key calls again and gives up what is under way. */
export function useAnswer<T>(key: string | null, call: (signal: AbortSignal) => Promise<T>) {
  const [state, setState] = useState<{ key: string | null; value: T | null; trouble: string | null }>({
    key: null, value: null, trouble: null,
  });
  useEffect(() => {
    if (key === null) return;
    const ending = new AbortController();
    call(ending.signal).then(
      (value) => ending.signal.aborted || setState({ key, value, trouble: null }),
      (error) => ending.signal.aborted || setState({ key, value: null, trouble: said(error) }),
    );
    return () => ending.abort();
  }, [key]);
  return { value: state.value, trouble: state.trouble, loading: key !== null && state.key !== key };
}

/** Calls now and again, as long as the tab is seen; `pause` says the milliseconds until the next time. */
export function usePolling<T>(key: string, call: (signal: AbortSignal) => Promise<T>, pause: (value: T | null) => number) {
  const [value, setValue] = useState<T | null>(null);
  const [trouble, setTrouble] = useState<string | null>(null);
  const again = useRef<() => void>(() => {});
  useEffect(() => {
    const ending = new AbortController();
    let timer = 0;
    let last: T | null = null;
    setValue(null);
    const ask = async () => {
      clearTimeout(timer);
      try {
        if (!document.hidden) {
          last = await call(ending.signal);
          if (ending.signal.aborted) return;
          setValue(last);
          setTrouble(null);
        }
      } catch (error) {
        if (ending.signal.aborted) return;
        setTrouble(said(error));
      }
      timer = window.setTimeout(ask, pause(last));
    };
    again.current = () => void ask();
    void ask();
    return () => {
      ending.abort();
      clearTimeout(timer);
    };
  }, [key]);
  return { value, trouble, again: useCallback(() => again.current(), []) };
}

/** Gives the user a file. */
export function save(content: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** Text to be read and copied. */
export function Source({ text, label }: { text: string; label: string }) {
  const [copied, setCopied] = useState(false);
  const copy = () => navigator.clipboard.writeText(text).then(() => setCopied(true), () => setCopied(false));
  return (
    <div class="source">
      <button type="button" class="quiet" onClick={copy}>
        {copied ? "Copied" : "Copy"}
      </button>
      <pre tabIndex={0} aria-label={label}>
        {text}
      </pre>
    </div>
  );
}

/** A choice among `titles`, by the value that each stands for. */
export function Choice(props: { name: string; titles: Record<string, string>; value: string; choose: (value: string) => void }) {
  return (
    <select name={props.name} value={props.value} onChange={(event) => props.choose(event.currentTarget.value)}>
      {Object.entries(props.titles).map(([value, title]) => (
        <option key={value} value={value}>
          {title}
        </option>
      ))}
    </select>
  );
}

export function Field({ label, hint, children }: { label: string; hint?: string; children: ComponentChildren }) {
  return (
    <label class="field">
      <span>{label}</span>
      {children}
      {hint ? <small>{hint}</small> : null}
    </label>
  );
}
