package io.forebay.store;

/**
 * Makes events for the JDK's flight recorder. A run-time image without {@code jdk.jfr} has none: then nothing is made. What a {@code
 * begin} returns is given back to the matching {@code end}, on any thread. Thread-safe.
 */
interface FlightRecorder {
    /** Not null only to whoever ends it. */
    Object beginForce();

    void endForce(Object begun, int stripe, int frames, long bytes, boolean isFailed);

    Object beginFileForce();

    void endFileForce(Object begun, int stripe, String kind, long bytes, boolean isFailed);

    Object beginStall();

    void endStall(Object begun, int stripe, String cause);

    /** The one of this JVM. */
    static FlightRecorder ofThisJvm() {
        return ModuleLayer.boot().findModule("jdk.jfr").isPresent() ? new Jfr() : new None();
    }

    /** Apart, so that the classes of {@code jdk.jfr} are looked for only where they are. */
    final class Jfr implements FlightRecorder {
        @Override
        public Object beginForce() {
            ForceEvent event = new ForceEvent();
            event.begin();
            return event;
        }

        @Override
        public void endForce(Object begun, int stripe, int frames, long bytes, boolean isFailed) {
            ForceEvent event = (ForceEvent) begun;
            event.end();
            if (event.shouldCommit()) {
                event.stripe = stripe;
                event.frames = frames;
                event.bytes = bytes;
                event.failed = isFailed;
                event.commit();
            }
        }

        @Override
        public Object beginFileForce() {
            FileForceEvent event = new FileForceEvent();
            event.begin();
            return event;
        }

        @Override
        public void endFileForce(Object begun, int stripe, String kind, long bytes, boolean isFailed) {
            FileForceEvent event = (FileForceEvent) begun;
            event.end();
            if (event.shouldCommit()) {
                event.stripe = stripe;
                event.kind = kind;
                event.bytes = bytes;
                event.failed = isFailed;
                event.commit();
            }
        }

        @Override
        public Object beginStall() {
            AppendStallEvent event = new AppendStallEvent();
            event.begin();
            return event;
        }

        @Override
        public void endStall(Object begun, int stripe, String cause) {
            AppendStallEvent event = (AppendStallEvent) begun;
            event.end();
            if (event.shouldCommit()) {
                event.stripe = stripe;
                event.cause = cause;
                event.commit();
            }
        }
    }

    /** Nothing is recorded. */
    final class None implements FlightRecorder {
        @Override
        public Object beginForce() {
            return null;
        }

        @Override
        public void endForce(Object begun, int stripe, int frames, long bytes, boolean isFailed) {}

        @Override
        public Object beginFileForce() {
            return null;
        }

        @Override
        public void endFileForce(Object begun, int stripe, String kind, long bytes, boolean isFailed) {}

        @Override
        public Object beginStall() {
            return null;
        }

        @Override
        public void endStall(Object begun, int stripe, String cause) {}
    }
}
