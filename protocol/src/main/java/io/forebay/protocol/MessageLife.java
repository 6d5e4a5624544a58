package io.forebay.protocol;

import io.forebay.protocol.LifeEvent.Kind;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * The life of one message: what its node's log tells, in order, with what follows from it (deadlines that passed), and how it stands
 * with each group.
 *
 * @param place which message it is
 * @param message as it is stored; null if it is not any more
 * @param events in order; {@link Kind#EXPIRED} ones are derived
 * @param groups each group that the log tells of or that consumes the topic now, in order of their names
 * @param notes what could not be read, and from where on the log tells: for people
 */
public record MessageLife(
        MessagePlace place, StoredMessage message, List<LifeEvent> events, List<GroupLife> groups, List<String> notes) {

    /** How a message stands with a group. */
    public enum State {
        /** The log tells of no delivery. */
        NOT_POPPED("not popped"),
        IN_FLIGHT("in flight"),
        /** It has come back and waits for its time, or for a Pop. */
        WAITING("waiting"),
        ACKED("acked"),
        /** Acked, filtered, dead-lettered or purged: which of them the log does not tell any more. */
        SETTLED("settled"),
        DEAD_LETTERED("dead-lettered"),
        PARKED("parked"),
        FILTERED("filtered"),
        PURGED("purged"),
        /** The group began behind it, or was sent behind it. */
        PASSED_OVER("passed over"),
        /** A dead letter that went back, which is settled for the node's own group. */
        REDRIVEN("redriven");

        private final String text;

        State(String text) {
            this.text = text;
        }

        /** For people. */
        public String text() {
            return text;
        }
    }

    /**
     * How the message stands with a group, by the last that the log tells.
     *
     * @param attempts number of the last delivery attempt, 0 for none
     * @param untilMillis the deadline, or when it may come again; 0 where there is none
     */
    public record GroupLife(String group, State state, int attempts, long untilMillis) {}

    /** Takes the pages of a life, in order. Not thread-safe. */
    public static final class Builder {
        private MessagePlace place;
        private StoredMessage message;
        private final Map<String, Course> courses = new TreeMap<>();
        private final List<LifeEvent> events = new ArrayList<>();
        private final Map<String, Boolean> notes = new LinkedHashMap<>();
        private long nowMillis;

        public Builder add(LookReply.LifePage page) {
            place = page.place();
            message = page.message() != null ? page.message() : message;
            nowMillis = page.nowMillis();
            page.groups().forEach(this::courseOf);
            page.events().forEach(this::add);
            page.notes().forEach(note -> notes.put(note, true));
            return this;
        }

        private Course courseOf(String group) {
            return courses.computeIfAbsent(group, Course::new);
        }

        private void add(LifeEvent event) {
            if (event.group().isEmpty()) {
                events.add(event);
                if (event.kind() == Kind.PURGED) {
                    courses.values().forEach(Course::purged);
                }
                return;
            }
            Course course = courseOf(event.group());
            if (event.kind() == Kind.STATED && course.lastSequence != 0) {
                return; // records tell more
            }
            LifeEvent expired = course.expiredBefore(event.atMillis(), event.sequence(), event.isDurable());
            if (expired != null) {
                events.add(expired);
            }
            events.add(course.take(event));
        }

        /** @throws IllegalStateException if there was no page */
        public MessageLife build() {
            if (place == null) {
                throw new IllegalStateException("no page of a life was given");
            }
            List<LifeEvent> all = new ArrayList<>(events);
            List<GroupLife> groups = new ArrayList<>();
            for (Course course : courses.values()) {
                LifeEvent expired = course.expiredBefore(nowMillis, course.lastSequence, true);
                if (expired != null) {
                    all.add(expired);
                }
                groups.add(new GroupLife(course.group, course.state, course.attempts, course.untilMillis));
            }
            return new MessageLife(place, message, List.copyOf(all), List.copyOf(groups), List.copyOf(notes.keySet()));
        }
    }

    /** One group's way with the message. */
    private static final class Course {
        private final String group;
        private State state = State.NOT_POPPED;
        private int attempts;
        private long untilMillis;
        private long sessionId;
        private long lastSequence;

        Course(String group) {
            this.group = group;
        }

        private boolean isSettled() {
            return state == State.ACKED
                    || state == State.SETTLED
                    || state == State.DEAD_LETTERED
                    || state == State.REDRIVEN
                    || state == State.FILTERED
                    || state == State.PURGED;
        }

        void purged() {
            if (!isSettled()) {
                become(State.PURGED, 0);
            }
        }

        /** That the deadline has passed, if it has and nothing was heard in time; else null. */
        LifeEvent expiredBefore(long millis, long sequence, boolean isDurable) {
            if (state != State.IN_FLIGHT || untilMillis >= millis) {
                return null;
            }
            state = State.WAITING;
            LifeEvent expired = new LifeEvent(
                    Kind.EXPIRED,
                    sequence,
                    untilMillis,
                    isDurable,
                    group,
                    attempts,
                    sessionId,
                    0,
                    "not settled in time");
            untilMillis = 0;
            return expired;
        }

        /** @return the event, with the attempt it belongs to where its record does not name it */
        LifeEvent take(LifeEvent event) {
            lastSequence = event.sequence();
            switch (event.kind()) {
                case POPPED -> {
                    attempts = event.attempt();
                    sessionId = event.sessionId();
                    become(State.IN_FLIGHT, event.untilMillis());
                }
                case EXTENDED -> become(State.IN_FLIGHT, event.untilMillis());
                case NACKED, GIVEN_BACK, CONSUMER_GONE -> become(State.WAITING, event.untilMillis());
                case ACKED -> become(State.ACKED, 0);
                case DEAD_LETTERED -> become(State.DEAD_LETTERED, 0);
                case REDRIVEN -> become(State.REDRIVEN, 0);
                case FILTERED -> become(State.FILTERED, 0);
                case PURGED -> purged();
                case PARKED -> become(State.PARKED, 0);
                case UNPARKED -> become(State.WAITING, 0);
                case STATED -> stated(event);
                case SEEK -> become(State.NOT_POPPED, 0);
                case PASSED_OVER -> passedOver();
                default -> {
                    // Tells nothing of how the message stands with the group.
                }
            }
            boolean isOfAttempt = switch (event.kind()) {
                case EXTENDED, NACKED, GIVEN_BACK, CONSUMER_GONE, ACKED -> event.attempt() == 0;
                default -> false;
            };
            return !isOfAttempt
                    ? event
                    : new LifeEvent(
                            event.kind(),
                            event.sequence(),
                            event.atMillis(),
                            event.isDurable(),
                            event.group(),
                            attempts,
                            sessionId,
                            event.untilMillis(),
                            event.detail());
        }

        private void become(State next, long until) {
            state = next;
            untilMillis = until;
        }

        private void stated(LifeEvent event) {
            attempts = event.attempt();
            sessionId = event.sessionId();
            if (attempts == 0) {
                become(State.SETTLED, 0);
            } else {
                become(sessionId == 0 ? State.WAITING : State.IN_FLIGHT, event.untilMillis());
            }
        }

        private void passedOver() {
            if (!isSettled()) {
                become(State.PASSED_OVER, 0);
            }
        }
    }
}
