import { useState } from 'react';
import { messageOf } from '../data/api.ts';
import { goToProvider, type SignInProvider } from '../data/providers.ts';
import { Button } from '../kit/kit.tsx';

/** One button for each provider. A press leaves for it. */
export function ProviderButtons({
  providers,
  verb,
  page,
  fresh = false,
  onError,
}: {
  providers: readonly SignInProvider[];
  /** Before the name, such as `Sign in with`. */
  verb: string;
  page: string;
  fresh?: boolean;
  onError: (message: string) => void;
}) {
  const [leaving, setLeaving] = useState<string | null>(null);
  const go = async (id: string) => {
    setLeaving(id);
    try {
      await goToProvider(id, page, fresh);
    } catch (failure) {
      setLeaving(null);
      onError(messageOf(failure));
    }
  };
  return providers.map(({ id, label }) => (
    <Button key={id} look="wide" busy={leaving !== null} onClick={() => void go(id)}>
      {verb} {label}
    </Button>
  ));
}
