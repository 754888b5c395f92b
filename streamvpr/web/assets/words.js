// What records say, in words, and what a user can do about it.

export const DECISIONS = {
  accepted: {
    name: "loop closed",
    means: "The place is known, and geometry agrees.",
  },
  too_few_inliers: {
    name: "too few inliers",
    means: "It looks alike, and too little of both views fits together. If it is the same place: "
      + "--local-features xfeat in other light, --rotation-invariant from above.",
  },
  too_few_matches: {
    name: "too few matches",
    means: "It looks alike, and hardly a detail is found again: blur, darkness, or another place. "
      + "Try --local-features xfeat.",
  },
  below_threshold: {
    name: "below the threshold",
    means: "Nothing in the past looks alike. If there should be: --sim-threshold lower, or another "
      + "--model.",
  },
  inconsistent_sequence: {
    name: "inconsistent sequence",
    means: "The frames before it lead elsewhere: --support or --sequence-length ask for them.",
  },
  stationary: {
    name: "stands still",
    means: "The view does not change; nothing is added to the past, and nothing asked of it.",
  },
  undescribed: {
    name: "not described",
    means: "The model failed on it, or there was no memory for its picture; the log says which.",
  },
  empty_database: {
    name: "nothing to match yet",
    means: "All that is remembered is too recent, or was never left: --exclude-recent.",
  },
};

export const STATES = {
  connected: "connected", reconnected: "connected again", thawed: "moving again",
  decoding: "connected", lost: "lost", frozen: "frozen: the same picture again and again",
  ended: "ended",
};

// The property that holds the colour of a decision.
export function color(decision) {
  return `var(--${decision.replaceAll("_", "-")})`;
}

export function fixed(value, digits) {
  return value === null || value === undefined ? "–" : value.toFixed(digits);
}

export function seconds(value) {
  if (value === null || value === undefined) return "";
  if (value < 60) return `${value.toFixed(1)} s`;
  const whole = Math.floor(value);
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (number) => String(number).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

export function bytes(value) {
  if (value === null || value === undefined) return "–";
  if (value < 1e6) return `${Math.round(value / 1e3)} kB`;
  return value < 1e9 ? `${Math.round(value / 1e6)} MB` : `${(value / 1e9).toFixed(1)} GB`;
}

export function at(index, time) {
  return time === null || time === undefined ? `${index}` : `${index} (${seconds(time)})`;
}

// Why a frame closed a loop, or why it did not.
export function why(point) {
  const accepted = point.decision === "accepted";
  const alike = point.match_idx === null ? ""
    : `${accepted ? "matches" : "most like"} ${point.match_idx} (similarity ${fixed(point.score, 3)})`;
  const inliers = point.inliers_needed
    ? `${point.inliers} inliers where ${point.inliers_needed} are needed` : null;
  const shared = point.overlap === null || point.overlap === undefined
    ? null : `${Math.round(point.overlap * 100)} % of the view in common`;
  return [alike, inliers, shared].filter(Boolean).join(", ");
}
