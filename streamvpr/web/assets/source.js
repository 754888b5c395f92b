// What the page knows of the run: asked for once, and kept up with the events.

const MOST_POINTS = 2000;
const MOST_LOOPS = 200;
const AGAIN = 2000;
const KINDS = "query,loop_closure,stream,summary,vitals";

async function get(path) {
  const answer = await fetch(path, { cache: "no-store" });
  if (!answer.ok) throw new Error(String(answer.status));
  return answer.json();
}

export class Source {
  // `changed` is called with what changed: "run", "stream", "loops" or "status".
  constructor(changed) {
    this.changed = changed;
    this.run = null;
    this.streams = [];
    this.loops = [];
    this.status = { state: "waiting", text: "connecting" };
    this.events = null;
    this.loading = null;
    this.fetching = false;
  }

  start() {
    this.connect();
  }

  byName(name) {
    return this.streams.find((stream) => stream.name === name);
  }

  connect() {
    const events = new EventSource(`/events?kinds=${KINDS}`);
    this.events = events;
    const on = (kind, act) => events.addEventListener(kind, (event) => act(JSON.parse(event.data)));
    on("hello", (hello) => this.greet(hello.run));
    on("missed", () => this.load());
    on("query", (record) => this.query(record));
    on("loop_closure", () => this.fetchLoops());
    on("stream", (record) => this.happened(record));
    on("vitals", (all) => this.vitals(all));
    on("end", () => this.ended());
    events.onerror = () => this.lost(events);
  }

  // A stream of events began: of the run that is shown, or of another one.
  greet(run) {
    if (this.run === null || this.run.run !== run) this.load();
    else if (this.run.summary === null) this.say("running", "running");
  }

  lost(events) {
    if (this.events !== events) return;
    events.close();
    this.say("trouble", this.run === null
      ? "no answer yet" : "no connection: the run has stopped, or is starting again");
    this.retry();
  }

  ended() {
    this.events.close();
    this.events = null;
    this.say("ended", "the run has ended");
    this.retry();
  }

  retry() {
    setTimeout(async () => {
      try {
        const run = await get("/api/run");
        const over = run.summary !== null && this.run !== null && this.run.run === run.run;
        if (over) this.retry();
        else this.connect();
      } catch (error) {
        if (error.message === "401") {
          this.say("trouble", "the token is another one now: open the address that the run printed");
        }
        this.retry();
      }
    }, AGAIN);
  }

  say(state, text) {
    if (this.status.text === text) return;
    this.status = { state, text };
    this.changed("status");
  }

  // Everything anew. What comes meanwhile is in the answers, or comes after them.
  async load() {
    if (this.loading) return;
    this.loading = true;
    try {
      const run = await get("/api/run");
      const [loops, ...looks] = await Promise.all([
        get("/api/loops"),
        ...run.streams.map((stream) => get(`/api/streams/${stream.number}`)),
      ]);
      this.run = run;
      this.loops = loops;
      this.streams = run.streams.map((stream, number) => ({ ...stream, ...looks[number], rate: null, cause: null }));
      if (run.summary === null) this.say("running", "running");
      else this.say("ended", "the run has ended");
      this.changed("run");
    } catch {
      this.say("trouble", "no answer");
      setTimeout(() => this.load(), AGAIN);
    } finally {
      this.loading = false;
    }
  }

  query(record) {
    const stream = this.byName(record.stream);
    const newest = stream?.points.at(-1);
    if (!stream || (newest && newest.query_idx >= record.query_idx)) return;
    stream.points.push(record);
    if (stream.points.length > MOST_POINTS) stream.points.splice(0, stream.points.length - MOST_POINTS);
    stream.decisions[record.decision] = (stream.decisions[record.decision] ?? 0) + 1;
    if (record.query_lat !== undefined) stream.track.push([record.query_lat, record.query_lon]);
    this.changed("stream");
  }

  // The closures that are new: their pictures are asked for by number.
  async fetchLoops() {
    if (this.fetching) {
      this.again = true;
      return;
    }
    this.fetching = true;
    try {
      do {
        this.again = false;
        const last = this.loops.at(-1)?.number ?? -1;
        const run = this.run;
        const found = await get(`/api/loops?after=${last}`);
        if (run === this.run && found.length) {
          this.loops.push(...found);
          this.loops.splice(0, Math.max(0, this.loops.length - MOST_LOOPS));
          for (const loop of found) {
            const stream = this.byName(loop.record.stream);
            if (stream) stream.closures += 1;
          }
          this.changed("loops");
        }
        await new Promise((done) => setTimeout(done, 300));
      } while (this.again);
    } catch {
      // Whatever was missed comes with the next closure.
    } finally {
      this.fetching = false;
    }
  }

  happened(record) {
    const stream = this.byName(record.stream);
    if (!stream) return;
    stream.health.state = record.state;
    stream.cause = record.cause;
    this.changed("stream");
  }

  vitals(all) {
    const now = performance.now();
    for (const health of all) {
      const stream = this.byName(health.stream);
      if (!stream) continue;
      if (stream.counted) {
        const passed = (now - stream.counted.at) / 1e3;
        if (passed > 0.5) stream.rate = Math.max(0, health.processed - stream.counted.processed) / passed;
      }
      stream.counted = { at: now, processed: health.processed };
      stream.health = health;
    }
    this.changed("stream");
  }
}
