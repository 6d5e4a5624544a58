package io.forebay.yardstick;

import java.lang.reflect.RecordComponent;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * One run. Written and read as {@code name=W1,queues=8,...}.
 *
 * @param batchCount messages given to a sender in one go: as many, or, at a rate, those that are due, up to this
 * @param popCountMax messages that a receiver takes at once, at most
 * @param unconfirmedMax messages sent and not yet confirmed, over all senders, at most
 * @param backlogMax messages sent and not yet acked, at most
 * @param perSecond rate over all senders, whatever comes back; 0 for as fast as it goes
 * @param warmUpSeconds under the same load, before anything is measured
 * @param seconds that are measured
 * @param fillCount so many messages are sent first, and then taken out without a sender: what is measured is the second part,
 *     and there is no time limit and no warm-up; 0 for both at once
 * @param nackedOfThousand messages of a thousand that are given back at their first delivery
 * @param keyCount keys in turn, whose order is kept and checked; 0 for none; a multiple of {@code senders}
 * @param stallSeconds a run in which nothing goes on for so long fails
 */
public record Plan(
        String name,
        int queues,
        int bodyBytes,
        int senders,
        int receivers,
        int batchCount,
        int popCountMax,
        int unconfirmedMax,
        int backlogMax,
        int perSecond,
        int warmUpSeconds,
        int seconds,
        int fillCount,
        int nackedOfThousand,
        int keyCount,
        int stallSeconds) {
    /** The first workload of the benchmark: both at once, as fast as it goes. */
    public static final Plan W1 = new Plan("W1", 8, 300, 2, 4, 32, 32, 256, 100_000, 0, 10, 10, 0, 0, 0, 60);

    public Plan {
        if (bodyBytes < Book.HEADER_BYTES) {
            throw new IllegalArgumentException("bodyBytes is " + bodyBytes + ", must be at least " + Book.HEADER_BYTES);
        }
        if (queues < 1 || senders < 1 || receivers < 1 || batchCount < 1 || popCountMax < 1) {
            throw new IllegalArgumentException("counts must be positive: " + name);
        }
        if (unconfirmedMax < batchCount || backlogMax < unconfirmedMax) {
            throw new IllegalArgumentException("batchCount " + batchCount + " <= unconfirmedMax " + unconfirmedMax
                    + " <= backlogMax " + backlogMax + " does not hold: " + name);
        }
        if (keyCount % senders != 0) {
            throw new IllegalArgumentException("keyCount " + keyCount + " is no multiple of " + senders + " senders");
        }
    }

    /** The same with other values, as {@link #toString} writes them. */
    public Plan with(String changes) {
        Map<String, String> values = new LinkedHashMap<>();
        values(toString(), values);
        values(changes, values);
        RecordComponent[] components = Plan.class.getRecordComponents();
        Object[] arguments = new Object[components.length];
        Class<?>[] types = new Class<?>[components.length];
        for (int i = 0; i < components.length; i++) {
            types[i] = components[i].getType();
            String value = values.remove(components[i].getName());
            arguments[i] = types[i] == int.class ? (Object) Integer.parseInt(value) : value;
        }
        if (!values.isEmpty()) {
            throw new IllegalArgumentException("a plan has no " + values.keySet());
        }
        try {
            return Plan.class.getDeclaredConstructor(types).newInstance(arguments);
        } catch (ReflectiveOperationException e) {
            throw new IllegalArgumentException("not a plan: " + changes, e.getCause() == null ? e : e.getCause());
        }
    }

    private static void values(String text, Map<String, String> values) {
        for (String part : text.isEmpty() ? new String[0] : text.split(",")) {
            int equals = part.indexOf('=');
            if (equals < 0) {
                throw new IllegalArgumentException("not name=value: '" + part + "'");
            }
            values.put(part.substring(0, equals), part.substring(equals + 1));
        }
    }

    Shape shape(String runName) {
        return new Shape(runName, queues, bodyBytes, senders, receivers, popCountMax, keyCount > 0);
    }

    @Override
    public String toString() {
        List<String> parts = new ArrayList<>();
        try {
            for (RecordComponent component : Plan.class.getRecordComponents()) {
                parts.add(component.getName() + "=" + component.getAccessor().invoke(this));
            }
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException(e);
        }
        return String.join(",", parts);
    }
}
