package io.forebay.yardstick;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicLong;

/** A queue in memory that can be made to go wrong with its hundredth message. */
final class FaultyContestant implements Contestant {
    enum Fault {
        NONE,
        LOSES,
        DOUBLES,
        ALTERS,
        SWAPS,
        STOPS_CONFIRMING
    }

    private static final long FAULTY = 100;

    private final Fault fault;
    final Map<String, String> settings = new HashMap<>();
    boolean isClosed;

    FaultyContestant(Fault fault) {
        this.fault = fault;
    }

    @Override
    public void start(Setup setup) {
        settings.put("fault", fault.toString());
    }

    @Override
    public Map<String, String> settings() {
        return settings;
    }

    @Override
    public Channel open(Shape shape) {
        return new Memory();
    }

    @Override
    public void close() {
        isClosed = true;
    }

    private final class Memory implements Channel {
        private final Queue<byte[]> bodies = new ConcurrentLinkedQueue<>();
        private final ArrayDeque<byte[]> givenBack = new ArrayDeque<>();
        private final AtomicLong count = new AtomicLong();

        @Override
        public Sender sender(int index) {
            return batch -> {
                List<byte[]> all = new ArrayList<>();
                boolean isHit = false;
                for (int i = 0; i < batch.count(); i++) {
                    boolean isFaulty = count.incrementAndGet() == FAULTY;
                    isHit |= isFaulty;
                    byte[] body = batch.body(i);
                    if (isFaulty && fault == Fault.ALTERS) {
                        body = body.clone();
                        body[body.length - 1]++;
                    }
                    if (!isFaulty || fault != Fault.LOSES) {
                        all.add(body);
                    }
                    if (isFaulty && fault == Fault.DOUBLES) {
                        all.add(body);
                    }
                }
                if (isHit && fault == Fault.SWAPS) {
                    java.util.Collections.swap(all, 0, all.size() - 1);
                }
                bodies.addAll(all);
                if (!isHit || fault != Fault.STOPS_CONFIRMING) {
                    batch.confirmed();
                } else {
                    batch.failed(new IllegalStateException("no more"));
                }
            };
        }

        @Override
        public void receive(int index, Intake intake) {
            while (!intake.isOver()) {
                byte[] body = givenBack.isEmpty() ? bodies.poll() : givenBack.poll();
                if (body == null) {
                    Thread.onSpinWait();
                } else if (intake.take(body)) {
                    intake.acked(1);
                } else {
                    givenBack.add(body);
                }
            }
        }

        @Override
        public void close() {
            bodies.clear();
        }
    }
}
