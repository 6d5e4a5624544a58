package io.forebay.watch;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.queue.GroupMarks;
import io.forebay.watch.GroupBook.Changes;
import io.forebay.watch.GroupBook.Name;
import io.forebay.watch.GroupBook.Row;
import io.forebay.watch.GroupBook.Seen;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** However groups come and go: rows are bounded, what is counted never falls, and nothing is counted twice or left out. */
class GroupBookTest {
    private static GroupMarks marks(int queueId, long depth, long acked) {
        GroupMarks marks = new GroupMarks(queueId, 1);
        count(marks, depth, acked);
        return marks;
    }

    private static void count(GroupMarks marks, long depth, long acked) {
        marks.counts(0, depth, 1, 2, 3, 4, acked, 6);
    }

    private static Seen seen(String topic, String group, GroupMarks marks) {
        return new Seen(new Name(topic, group), marks);
    }

    private static List<Name> names(List<Row> rows) {
        return rows.stream().map(Row::name).toList();
    }

    @Test
    void aGroupIsTheSumOfItsQueues() {
        GroupBook book = new GroupBook(10);
        Changes changes = book.update(List.of(
                seen("t", "g", marks(1, 5, 50)), seen("t", "g", marks(2, 7, 70)), seen("u", "g", marks(3, 1, 1))));
        assertThat(names(changes.added())).containsExactly(new Name("t", "g"), new Name("u", "g"));
        assertThat(changes.added().get(0).sums()).isEqualTo(new GroupBook.Sums(12, 2, 4, 6, 8, 120, 12));
        assertThat(book.count()).isEqualTo(2);
        assertThat(book.unnamedCount()).isZero();
    }

    @Test
    void thoseThatComeLaterAreSummedAndWhoHasAPlaceKeepsIt() {
        GroupBook book = new GroupBook(1);
        Seen late = seen("t", "z", marks(1, 1, 10));
        assertThat(names(book.update(List.of(late)).added())).containsExactly(new Name("t", "z"));
        Seen first = seen("t", "a", marks(2, 2, 20));
        Seen second = seen("t", "b", marks(3, 3, 30));
        Changes changes = book.update(List.of(first, second, late));
        assertThat(names(changes.added())).containsExactly(Name.OTHERS);
        Row others = changes.added().get(0);
        assertThat(others.sums().depth()).isEqualTo(5);
        assertThat(others.sums().acked()).isEqualTo(50);
        assertThat(book.unnamedCount()).isEqualTo(2);
        // A place is free: who comes next has it, and who was counted among the others stays there.
        changes = book.update(List.of(first, second));
        assertThat(names(changes.removed())).containsExactly(new Name("t", "z"));
        Changes next = book.update(List.of(first, second, seen("t", "c", marks(4, 4, 40))));
        assertThat(names(next.added())).containsExactly(new Name("t", "c"));
        assertThat(others.sums().acked()).isEqualTo(50);
    }

    @Test
    void whatWasCountedStaysCounted() {
        GroupBook book = new GroupBook(1);
        GroupMarks stays = marks(1, 5, 50);
        GroupMarks goes = marks(2, 7, 70);
        GroupMarks other = marks(3, 9, 90);
        Row named = book.update(List.of(seen("t", "g", stays), seen("t", "g", goes)))
                .added()
                .get(0);
        Row others = book.update(List.of(seen("t", "g", stays), seen("t", "g", goes), seen("t", "h", other)))
                .added()
                .get(0);
        count(goes, 7, 75);
        book.update(List.of(seen("t", "g", stays)));
        assertThat(named.sums().acked()).isEqualTo(125);
        assertThat(named.sums().depth()).isEqualTo(5);
        assertThat(others.sums().acked()).isEqualTo(90);
        assertThat(others.sums().depth()).isZero();
        book.update(List.of(seen("t", "g", stays), seen("t", "h", marks(4, 1, 1))));
        assertThat(others.sums().acked()).isEqualTo(91);
    }

    @Test
    void noNamesMeansOneSum() {
        GroupBook book = new GroupBook(0);
        Changes changes = book.update(List.of(seen("t", "g", marks(1, 5, 50)), seen("u", "h", marks(2, 7, 70))));
        assertThat(names(changes.added())).containsExactly(Name.OTHERS);
        assertThat(changes.added().get(0).sums().depth()).isEqualTo(12);
        assertThat(book.named()).isEmpty();
    }

    @Test
    void randomComingsAndGoings() {
        for (int seed = 0; seed < 200; seed++) {
            Random random = new Random(seed);
            int namedMax = random.nextInt(4);
            GroupBook book = new GroupBook(namedMax);
            Map<Name, List<GroupMarks>> there = new HashMap<>();
            Map<Name, Row> rows = new HashMap<>();
            Map<Row, Long> ackedBefore = new HashMap<>();
            int nextQueueId = 1;
            for (int step = 0; step < 60; step++) {
                Name name = new Name("t" + random.nextInt(3), "g" + random.nextInt(3));
                switch (random.nextInt(4)) {
                    case 0 ->
                        there.computeIfAbsent(name, missing -> new ArrayList<>())
                                .add(marks(nextQueueId++, random.nextInt(10), random.nextInt(10)));
                    case 1 -> there.remove(name);
                    case 2 -> {
                        List<GroupMarks> queues = there.get(name);
                        if (queues != null && queues.size() > 1) {
                            queues.remove(random.nextInt(queues.size()));
                        }
                    }
                    default ->
                        there.values()
                                .forEach(queues -> queues.forEach(
                                        marks -> count(marks, random.nextInt(10), marks.acked() + random.nextInt(5))));
                }
                List<Seen> seen = new ArrayList<>();
                there.forEach((group, queues) -> queues.forEach(marks -> seen.add(new Seen(group, marks))));
                Changes changes = book.update(seen);
                changes.removed().forEach(row -> {
                    assertThat(rows.remove(row.name())).isSameAs(row);
                    ackedBefore.remove(row);
                });
                changes.added().forEach(row -> rows.put(row.name(), row));
                assertThat(rows.keySet()).hasSizeLessThanOrEqualTo(namedMax + 1);
                assertThat(rows.values().stream()
                                .mapToLong(row -> row.sums().depth())
                                .sum())
                        .as("seed %d step %d", seed, step)
                        .isEqualTo(seen.stream()
                                .mapToLong(one -> one.marks().depth())
                                .sum());
                for (Row row : rows.values()) {
                    long acked = row.sums().acked();
                    assertThat(acked)
                            .as("seed %d step %d %s", seed, step, row.name())
                            .isGreaterThanOrEqualTo(ackedBefore.getOrDefault(row, 0L));
                    ackedBefore.put(row, acked);
                }
            }
        }
    }

    @Test
    void theOldestIsLookedAtAgainWhenTheFloorHasMoved() {
        GroupBook book = new GroupBook(1);
        GroupMarks marks = new GroupMarks(1, 1);
        Row row = book.update(List.of(seen("t", "g", marks))).added().get(0);
        GroupBook.Member member = row.members().get(0);
        assertThat(member.askForOldest()).as("there is none").isFalse();
        marks.counts(10, 3, 0, 0, 0, 0, 0, 0);
        assertThat(member.askForOldest()).isTrue();
        assertThat(member.askForOldest()).as("somebody asks already").isFalse();
        member.answered(10, 1_000);
        assertThat(row.oldestAgeSeconds(4_500)).isEqualTo(3.5);
        assertThat(member.askForOldest()).as("it is the same").isFalse();
        marks.counts(11, 2, 0, 0, 0, 0, 0, 0);
        assertThat(member.askForOldest()).isTrue();
        member.unanswered();
        assertThat(member.askForOldest()).isTrue();
        member.answered(11, 0);
        assertThat(row.oldestAgeSeconds(4_500)).as("not known").isZero();
        marks.counts(13, 0, 0, 0, 0, 0, 0, 0);
        assertThat(row.oldestAgeSeconds(4_500)).isZero();
    }
}
