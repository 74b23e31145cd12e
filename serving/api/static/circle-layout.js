// Where friends stand in the picture of a circle: the same circle stands the same each time.

const ROUNDS = 240;
const ROOM = 104; // pixels that a face with its name needs
const EDGE = 44;

/** Places from 0 to 1, one a friend: groups side by side, closer friends nearer to the middle. */
export function place({ friends, ties }, width, height) {
  const rank = new Map(friends.map((one, index) => [one.user_id, index]));
  const round = friends.map((_, index) => index).sort((a, b) => friends[a].group - friends[b].group || a - b);
  const [midX, midY] = [width / 2, height / 2];
  const [wide, high] = [Math.max(midX - EDGE, 1), Math.max(midY - EDGE, 1)];
  const spots = friends.map(() => [0, 0]);
  round.forEach((index, turn) => {
    const [angle, far] = [(2 * Math.PI * turn) / friends.length - Math.PI / 2, 0.55 + (0.4 * index) / friends.length];
    spots[index] = [midX + wide * far * Math.cos(angle), midY + high * far * Math.sin(angle)];
  });
  const pairs = ties.map(({ one, other }) => [rank.get(one), rank.get(other)]);
  // In a full picture everybody has less room.
  const room = Math.min(ROOM, 0.9 * Math.sqrt((width * height) / (friends.length + 1)));
  for (let turn = 0; turn < ROUNDS; turn++) {
    const heat = 1 - turn / ROUNDS;
    for (const [a, b] of pairs) pull(spots[a], spots[b], 1.5 * room, 0.04 * heat);
    spots.forEach((one, a) => {
      for (let b = a + 1; b < spots.length; b++) push(one, spots[b], room);
      keepOff(one, midX, midY, room);
      one[0] = Math.min(Math.max(one[0], midX - wide), midX + wide);
      one[1] = Math.min(Math.max(one[1], midY - high), midY + high);
    });
  }
  return spots.map(([x, y]) => [x / width, y / height]);
}

function pull(one, other, near, force) {
  const [dx, dy] = [other[0] - one[0], other[1] - one[1]];
  const far = Math.hypot(dx, dy);
  if (far <= near) return;
  const part = (force * (far - near)) / far;
  one[0] += dx * part; one[1] += dy * part;
  other[0] -= dx * part; other[1] -= dy * part;
}

function push(one, other, room) {
  const [dx, dy] = [other[0] - one[0], other[1] - one[1]];
  const far = Math.hypot(dx, dy) || 1;
  if (far >= room) return;
  const part = (0.5 * (room - far)) / far;
  one[0] -= (dx || 1) * part; one[1] -= dy * part;
  other[0] += (dx || 1) * part; other[1] += dy * part;
}

// The one whose circle it is has the middle.
function keepOff(one, x, y, room) {
  const [dx, dy] = [one[0] - x, one[1] - y];
  const far = Math.hypot(dx, dy) || 1;
  if (far < 1.35 * room) {
    one[0] += ((dx || 1) / far) * (1.35 * room - far);
    one[1] += (dy / far) * (1.35 * room - far);
  }
}
