package io.forebay.watch;

import io.forebay.queue.GroupMarks;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Which groups are reported by name, and the sums of each over its queues. A group that comes when there is a place for one keeps it for
 * as long as it is there; the others are summed as one. What is counted never falls: what a queue, or a group among the others, had
 * counted stays counted when it goes. Updates by one thread at a time; rows and counts are read by any.
 */
final class GroupBook {
    /** A group in a topic. Others are no legal name. */
    record Name(String topic, String group) implements Comparable<Name> {
        static final Name OTHERS = new Name("(other)", "(other)");

        @Override
        public int compareTo(Name other) {
            int byTopic = topic.compareTo(other.topic);
            return byTopic != 0 ? byTopic : group.compareTo(other.group);
        }
    }

    /** One group in one queue, as it is seen. */
    record Seen(Name name, GroupMarks marks) {}

    /** Rows that are new, and rows that are gone, since the last update. */
    record Changes(List<Row> added, List<Row> removed) {}

    /** One group in one queue, as long as it is there. */
    static final class Member {
        private final GroupMarks marks;
        private long round;
        /** Of the oldest message, when it was looked at last: what the floor was, and when the message was made. */
        private volatile Oldest oldest;

        private boolean isAsked;

        private Member(GroupMarks marks) {
            this.marks = marks;
        }

        GroupMarks marks() {
            return marks;
        }

        /** Whether the oldest message is another one than was looked at last. Then nobody else asks until it {@link #answered}. */
        synchronized boolean askForOldest() {
            Oldest known = oldest;
            if (isAsked || marks.depth() <= 0 || (known != null && known.floor == marks.floor())) {
                return false;
            }
            isAsked = true;
            return true;
        }

        /** @param bornMillis 0 if it is not known */
        synchronized void answered(long floor, long bornMillis) {
            isAsked = false;
            oldest = new Oldest(floor, bornMillis);
        }

        synchronized void unanswered() {
            isAsked = false;
        }
    }

    private record Oldest(long floor, long bornMillis) {}

    /** What is reported under one name. */
    static final class Row {
        private final Name name;
        private final Map<GroupMarks, Member> members = new IdentityHashMap<>();
        private volatile List<Member> current = List.of();
        private volatile Sums sums = Sums.NONE;
        private Sums retired = Sums.NONE;

        private Row(Name name) {
            this.name = name;
        }

        Name name() {
            return name;
        }

        Sums sums() {
            return sums;
        }

        List<Member> members() {
            return current;
        }

        /** How old the oldest message is that is not settled, as far as it has been looked at; 0 if there is none. */
        double oldestAgeSeconds(long nowMillis) {
            long oldest = nowMillis;
            for (Member member : current) {
                Oldest known = member.oldest;
                if (known != null && known.bornMillis > 0 && member.marks.depth() > 0) {
                    oldest = Math.min(oldest, known.bornMillis);
                }
            }
            return (nowMillis - oldest) / 1e3;
        }

        private void see(GroupMarks marks, long round) {
            members.computeIfAbsent(marks, Member::new).round = round;
        }

        /** Forgets who was not seen in this round, but not what they have counted. */
        private void add(long round) {
            Sums sum = retired;
            for (Iterator<Member> all = members.values().iterator(); all.hasNext(); ) {
                Member member = all.next();
                if (member.round == round) {
                    sum = sum.plus(Sums.of(member.marks));
                } else {
                    retired = retired.plus(Sums.of(member.marks).counted());
                    sum = sum.plus(Sums.of(member.marks).counted());
                    all.remove();
                }
            }
            current = List.copyOf(members.values());
            sums = sum;
        }
    }

    /**
     * Sums over queues; the first three are of this moment, the others since the start.
     *
     * @param depth messages readable and not settled, in flight ones included
     */
    record Sums(
            long depth, long inFlight, long returned, long popped, long redelivered, long acked, long deadLettered) {
        static final Sums NONE = new Sums(0, 0, 0, 0, 0, 0, 0);

        static Sums of(GroupMarks marks) {
            return new Sums(
                    marks.depth(),
                    marks.inFlight(),
                    marks.returned(),
                    marks.popped(),
                    marks.redelivered(),
                    marks.acked(),
                    marks.deadLettered());
        }

        Sums counted() {
            return new Sums(0, 0, 0, popped, redelivered, acked, deadLettered);
        }

        Sums plus(Sums other) {
            return new Sums(
                    depth + other.depth,
                    inFlight + other.inFlight,
                    returned + other.returned,
                    popped + other.popped,
                    redelivered + other.redelivered,
                    acked + other.acked,
                    deadLettered + other.deadLettered);
        }
    }

    private final int namedMax;
    private final Map<Name, Row> places = new HashMap<>();
    /** Null as long as everybody has a place. */
    private Row others;

    private int namedCount;
    private long round;
    private volatile int count;
    private volatile int unnamedCount;

    /** @param namedMax rows with names */
    GroupBook(int namedMax) {
        this.namedMax = namedMax;
    }

    /** @param seen every group in every queue that is there now */
    Changes update(Iterable<Seen> seen) {
        round++;
        Map<Name, List<GroupMarks>> all = new TreeMap<>();
        for (Seen one : seen) {
            all.computeIfAbsent(one.name, name -> new ArrayList<>()).add(one.marks);
        }
        List<Row> removed = removeAllBut(all);
        List<Row> added = new ArrayList<>();
        all.forEach((name, marks) -> {
            Row row = places.computeIfAbsent(name, missing -> place(missing, added));
            marks.forEach(one -> row.see(one, round));
        });
        for (Row row : rowsOnce().keySet()) {
            row.add(round);
        }
        count = places.size();
        unnamedCount = count - namedCount;
        return new Changes(added, removed);
    }

    private IdentityHashMap<Row, Boolean> rowsOnce() {
        IdentityHashMap<Row, Boolean> rows = new IdentityHashMap<>();
        places.values().forEach(row -> rows.put(row, true));
        if (others != null) {
            rows.put(others, true);
        }
        return rows;
    }

    private List<Row> removeAllBut(Map<Name, List<GroupMarks>> there) {
        List<Row> removed = new ArrayList<>();
        for (Iterator<Map.Entry<Name, Row>> all = places.entrySet().iterator(); all.hasNext(); ) {
            Map.Entry<Name, Row> one = all.next();
            if (!there.containsKey(one.getKey())) {
                all.remove();
                if (one.getValue() != others) {
                    namedCount--;
                    removed.add(one.getValue());
                }
            }
        }
        return removed;
    }

    private Row place(Name name, List<Row> added) {
        if (namedCount < namedMax) {
            namedCount++;
            Row row = new Row(name);
            added.add(row);
            return row;
        }
        if (others == null) {
            others = new Row(Name.OTHERS);
            added.add(others);
        }
        return others;
    }

    /** Groups that are there, and those of them that have no row of their own. */
    int count() {
        return count;
    }

    int unnamedCount() {
        return unnamedCount;
    }

    /** The rows with names. */
    List<Row> named() {
        return places.values().stream().filter(row -> row != others).toList();
    }
}
