package io.forebay.support;

import java.lang.reflect.Constructor;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.RecordComponent;
import java.lang.reflect.Type;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import java.util.random.RandomGenerator;

/**
 * Records made by their own constructors out of components drawn by chance: numbers of every magnitude and both signs, texts of any
 * script, lists and maps that may be empty, any constant of an enum, any class below a sealed interface. What a constructor refuses
 * is drawn anew. So a record that is added to a protocol or a format is drawn, too. One in six of these is as plain as can be, all
 * of it: its values take the least room that they can take. Not thread-safe.
 */
public final class RandomRecords {
    private static final int DRAWS_MAX = 20_000;
    private static final int ELEMENTS_MAX = 4;
    private static final int[] EXTREME_CODE_POINTS = {0, 0x7F, 0x80, 0x7FF, 0x800, 0xFFFF, 0x10000, 0x10FFFF};

    private final RandomGenerator random;
    private final boolean isPlain;
    private final Map<Class<?>, Supplier<?>> makers = new HashMap<>();
    private final Map<String, Supplier<?>> componentMakers = new HashMap<>();

    public RandomRecords(RandomGenerator random) {
        this.random = random;
        isPlain = random.nextInt(6) == 0;
    }

    /** How values of a class are made that is no record, or whose components must agree. */
    public <T> RandomRecords with(Class<T> type, Supplier<? extends T> maker) {
        makers.put(type, maker);
        return this;
    }

    /** How one component is made that may not be just any value. */
    public RandomRecords with(Class<? extends Record> type, String component, Supplier<?> maker) {
        if (Arrays.stream(type.getRecordComponents())
                .noneMatch(one -> one.getName().equals(component))) {
            throw new IllegalArgumentException(type.getName() + " has no component " + component);
        }
        componentMakers.put(type.getName() + "." + component, maker);
        return this;
    }

    /** A component that may be null. */
    public RandomRecords orNull(Class<? extends Record> type, String component, Class<?> valueType) {
        return with(type, component, () -> random.nextBoolean() ? null : next(valueType));
    }

    public <T> T next(Class<T> type) {
        return type.cast(value(type));
    }

    // ---- plain values -----------------------------------------------------------------------------------------------

    /** Of every magnitude; one in eight is negative. */
    public long number() {
        if (isPlain) {
            return random.nextInt(2);
        }
        return switch (random.nextInt(8)) {
            case 0 -> -(random.nextLong() >>> 1 + random.nextInt(63)) - 1;
            case 1 -> pick(0L, 1L, 127L, 128L, (long) Integer.MAX_VALUE, 1L << 32, Long.MAX_VALUE);
            case 2, 3, 4 -> random.nextInt(10);
            default -> notNegative();
        };
    }

    public long notNegative() {
        return isPlain ? random.nextInt(2) : random.nextLong() >>> 1 + random.nextInt(63);
    }

    public int notNegativeInt() {
        return isPlain ? random.nextInt(2) : random.nextInt() >>> 1 + random.nextInt(31);
    }

    private int integer() {
        return !isPlain && random.nextInt(8) == 0 ? -notNegativeInt() - 1 : notNegativeInt();
    }

    public String text() {
        StringBuilder text = new StringBuilder();
        for (int length = isPlain ? 0 : random.nextInt(8); length > 0; length--) {
            int codePoint = switch (random.nextInt(4)) {
                case 0 -> EXTREME_CODE_POINTS[random.nextInt(EXTREME_CODE_POINTS.length)];
                case 1 -> random.nextInt(0xD800); // below the surrogates, which are no text alone
                default -> 'a' + random.nextInt(26);
            };
            text.appendCodePoint(codePoint);
        }
        return text.toString();
    }

    public byte[] bytes() {
        byte[] bytes = new byte[isPlain ? 0 : random.nextInt(40)];
        random.nextBytes(bytes);
        return bytes;
    }

    @SafeVarargs
    private <T> T pick(T... choices) {
        return choices[random.nextInt(choices.length)];
    }

    // ---- by type ----------------------------------------------------------------------------------------------------

    private Object value(Type type) {
        Class<?> raw = (Class<?>) (type instanceof ParameterizedType generic ? generic.getRawType() : type);
        Supplier<?> maker = makers.get(raw);
        if (maker != null) {
            return maker.get();
        }
        if (raw == long.class || raw == Long.class) {
            return number();
        }
        if (raw == int.class || raw == Integer.class) {
            return integer();
        }
        if (raw == boolean.class) {
            return random.nextBoolean();
        }
        if (raw == String.class) {
            return text();
        }
        if (raw == byte[].class) {
            return bytes();
        }
        if (raw == int[].class) {
            return random.ints(random.nextInt(ELEMENTS_MAX + 1)).toArray();
        }
        if (raw == long[].class) {
            return random.longs(random.nextInt(ELEMENTS_MAX + 1)).toArray();
        }
        if (raw == List.class) {
            return list(argument(type, 0));
        }
        if (raw == Map.class) {
            return map(argument(type, 0), argument(type, 1));
        }
        if (raw.isEnum()) {
            return pick(raw.getEnumConstants());
        }
        if (raw.isRecord()) {
            return record(raw);
        }
        if (raw.isSealed()) {
            return value(pick(raw.getPermittedSubclasses()));
        }
        throw new AssertionError("nobody knows how to make a " + type);
    }

    private static Type argument(Type type, int index) {
        return ((ParameterizedType) type).getActualTypeArguments()[index];
    }

    private List<Object> list(Type element) {
        List<Object> list = new ArrayList<>();
        for (int count = random.nextInt(ELEMENTS_MAX + 1); count > 0; count--) {
            list.add(value(element));
        }
        return list;
    }

    private Map<Object, Object> map(Type key, Type value) {
        Map<Object, Object> map = new LinkedHashMap<>();
        for (int count = random.nextInt(ELEMENTS_MAX + 1); count > 0; count--) {
            map.put(value(key), value(value));
        }
        return map;
    }

    private Object record(Class<?> type) {
        RecordComponent[] components = type.getRecordComponents();
        Class<?>[] types =
                Arrays.stream(components).map(RecordComponent::getType).toArray(Class<?>[]::new);
        InvocationTargetException refused = null;
        for (int draw = 0; draw < DRAWS_MAX; draw++) {
            Object[] values = new Object[components.length];
            for (int i = 0; i < values.length; i++) {
                Supplier<?> maker = componentMakers.get(type.getName() + "." + components[i].getName());
                values[i] = maker == null ? value(components[i].getGenericType()) : maker.get();
            }
            try {
                Constructor<?> constructor = type.getDeclaredConstructor(types);
                constructor.setAccessible(true);
                return constructor.newInstance(values);
            } catch (InvocationTargetException e) {
                if (!(e.getCause() instanceof IllegalArgumentException)) {
                    throw new AssertionError(type + " of " + Arrays.deepToString(values), e.getCause());
                }
                refused = e;
            } catch (ReflectiveOperationException e) {
                throw new AssertionError(type.toString(), e);
            }
        }
        throw new AssertionError("none of " + DRAWS_MAX + " draws makes a " + type, refused);
    }
}
