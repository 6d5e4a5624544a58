package io.forebay.queue.core;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.testkit.sim.SeededRun;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class CoreContainersTest {
    private static final class Due extends DueHeap.Node {
        long dueMillis;
    }

    @Test
    void longMapDoesWhatAMapDoes() {
        SeededRun.run("long map", (random, progress) -> {
            LongMap<String> map = new LongMap<>();
            Map<Long, String> plain = new HashMap<>();
            for (int step = 0; step < 100_000; step++) {
                progress.at(step);
                // Keys that collide: multiples of a power of two share their low bits.
                long key = (long) random.nextInt(40) << (random.nextBoolean() ? 0 : 32);
                if (random.nextInt(3) == 0) {
                    assertThat(map.remove(key)).isEqualTo(plain.remove(key));
                } else if (random.nextBoolean()) {
                    String value = "v" + step;
                    assertThat(map.put(key, value)).isEqualTo(plain.put(key, value));
                }
                assertThat(map.get(key)).isEqualTo(plain.get(key));
                assertThat(map.size()).isEqualTo(plain.size());
            }
            List<String> values = new ArrayList<>();
            map.forEach(values::add);
            assertThat(values).containsExactlyInAnyOrderElementsOf(plain.values());
            map.clear();
            assertThat(map.size()).isZero();
            assertThat(map.get(1)).isNull();
        });
    }

    @Test
    void heapGivesTheEarliestWhateverIsMovedOrRemoved() {
        SeededRun.run("due heap", (random, progress) -> {
            DueHeap<Due> heap = new DueHeap<>();
            List<Due> plain = new ArrayList<>();
            for (int step = 0; step < 100_000; step++) {
                progress.at(step);
                int dice = random.nextInt(5);
                if (dice < 2 || plain.isEmpty()) {
                    Due node = new Due();
                    node.dueMillis = random.nextInt(100);
                    heap.put(node, node.dueMillis);
                    plain.add(node);
                } else if (dice == 2) {
                    Due node = plain.get(random.nextInt(plain.size()));
                    node.dueMillis = random.nextInt(100);
                    heap.put(node, node.dueMillis);
                } else {
                    Due node = dice == 3 ? heap.first() : plain.get(random.nextInt(plain.size()));
                    heap.remove(node);
                    heap.remove(node);
                    plain.remove(node);
                    assertThat(node.isInHeap()).isFalse();
                }
                assertThat(heap.size()).isEqualTo(plain.size());
                assertThat(heap.nextDueMillis())
                        .isEqualTo(plain.stream()
                                .mapToLong(node -> node.dueMillis)
                                .min()
                                .orElse(Long.MAX_VALUE));
                if (plain.size() > 60) {
                    heap.clear();
                    plain.clear();
                }
            }
        });
    }
}
