/** Width and height of the drawing. It is stretched to the width of its frame. */
const size = { width: 240, height: 40 };

/** A small line of values over time. `values`: the oldest first. */
export function Sparkline({ values, about }: { values: readonly number[]; about: string }) {
  const most = Math.max(1, ...values);
  const step = size.width / Math.max(1, values.length - 1);
  const y = (value: number) => size.height - 2 - (value / most) * (size.height - 4);
  const line = values
    .map((value, i) => `${i === 0 ? 'M' : 'L'}${(i * step).toFixed(1)} ${y(value).toFixed(1)}`)
    .join('');
  return (
    <svg
      className="sparkline"
      viewBox={`0 0 ${size.width} ${size.height}`}
      preserveAspectRatio="none"
      role="img"
      aria-label={about}
    >
      {values.length > 1 && (
        <>
          <path className="area" d={`${line}L${size.width} ${size.height}L0 ${size.height}Z`} />
          <path className="line" d={line} />
        </>
      )}
    </svg>
  );
}
