import { useParams } from '@tanstack/react-router';
import { GatewayObject } from './gateway-object.tsx';

/** One gateway on a page of its own. */
export function GatewayPage() {
  const { id } = useParams({ strict: false }) as { id: string };
  return <GatewayObject id={id} />;
}
