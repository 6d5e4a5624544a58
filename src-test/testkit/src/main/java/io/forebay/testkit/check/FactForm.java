package io.forebay.testkit.check;

import io.forebay.protocol.IllegalHandle;
import io.forebay.protocol.ParsedHandle;
import io.forebay.protocol.ReceiptHandle;
import java.lang.reflect.Constructor;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.RecordComponent;
import java.net.URLDecoder;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;

/**
 * Facts as text: the name of the type and its components in order, each behind a blank; texts are URL-encoded behind a '=', so
 * that an empty one can be seen. Stateless but for what it knows of the types; thread-safe.
 */
final class FactForm {
    /** How the components of a type are found. */
    private record Shape(Constructor<?> constructor, RecordComponent[] components) {
        static Shape of(Class<?> type) {
            RecordComponent[] components = type.getRecordComponents();
            Class<?>[] types =
                    Arrays.stream(components).map(RecordComponent::getType).toArray(Class<?>[]::new);
            try {
                Constructor<?> constructor = type.getDeclaredConstructor(types);
                constructor.setAccessible(true);
                for (RecordComponent component : components) {
                    component.getAccessor().setAccessible(true);
                }
                return new Shape(constructor, components);
            } catch (NoSuchMethodException e) {
                throw new AssertionError("a record without its constructor: " + type, e);
            }
        }
    }

    private static final Map<String, Shape> FACTS = new HashMap<>();
    private static final ClassValue<Shape> SHAPES = new ClassValue<>() {
        @Override
        protected Shape computeValue(Class<?> type) {
            return Shape.of(type);
        }
    };

    static {
        for (Class<?> type : Fact.class.getPermittedSubclasses()) {
            FACTS.put(type.getSimpleName(), SHAPES.get(type));
        }
    }

    private FactForm() {}

    static void write(Fact fact, StringBuilder text) {
        text.append(fact.getClass().getSimpleName());
        writeComponents(fact, text);
    }

    private static void writeComponents(Object value, StringBuilder text) {
        for (RecordComponent component : SHAPES.get(value.getClass()).components) {
            Object part;
            try {
                part = component.getAccessor().invoke(value);
            } catch (IllegalAccessException | InvocationTargetException e) {
                throw new AssertionError(component + " of " + value, e);
            }
            if (part instanceof ReceiptHandle handle) {
                text.append(' ').append(handle.text());
            } else if (part instanceof String string) {
                text.append(" =").append(URLEncoder.encode(string, StandardCharsets.UTF_8));
            } else if (part instanceof Enum<?> constant) {
                text.append(' ').append(constant.name());
            } else if (part instanceof Record record) {
                writeComponents(record, text);
            } else {
                text.append(' ').append(part);
            }
        }
    }

    /**
     * @param words what {@link #write} wrote, split at the blanks
     * @throws IllegalArgumentException if it did not write that
     */
    static Fact read(List<String> words) {
        Iterator<String> rest = words.iterator();
        String name = rest.next();
        Shape shape = FACTS.get(name);
        if (shape == null) {
            throw new IllegalArgumentException("no such fact: " + name);
        }
        Fact fact = (Fact) readComponents(shape, rest);
        if (rest.hasNext()) {
            throw new IllegalArgumentException("too much behind a fact: " + words);
        }
        return fact;
    }

    private static Object readComponents(Shape shape, Iterator<String> rest) {
        Object[] parts = new Object[shape.components.length];
        for (int index = 0; index < parts.length; index++) {
            parts[index] = readPart(shape.components[index].getType(), rest);
        }
        try {
            return shape.constructor.newInstance(parts);
        } catch (ReflectiveOperationException e) {
            throw new IllegalArgumentException("no fact of " + Arrays.toString(parts), e);
        }
    }

    private static Object readPart(Class<?> type, Iterator<String> rest) {
        if (type != ReceiptHandle.class && type.isRecord()) {
            return readComponents(SHAPES.get(type), rest);
        }
        if (!rest.hasNext()) {
            throw new IllegalArgumentException("a fact ends too early");
        }
        String word = rest.next();
        if (type == String.class) {
            if (!word.startsWith("=")) {
                throw new IllegalArgumentException("no text: " + word);
            }
            // A journal says the same few names again and again.
            return URLDecoder.decode(word.substring(1), StandardCharsets.UTF_8).intern();
        }
        if (type == int.class) {
            return Integer.parseInt(word);
        }
        if (type == long.class) {
            return Long.parseLong(word);
        }
        if (type == ReceiptHandle.class) {
            ParsedHandle parsed = ReceiptHandle.parse(word);
            if (parsed instanceof IllegalHandle) {
                throw new IllegalArgumentException(parsed.toString());
            }
            return parsed;
        }
        for (Object constant : type.getEnumConstants()) {
            if (((Enum<?>) constant).name().equals(word)) {
                return constant;
            }
        }
        throw new IllegalArgumentException("no " + type.getSimpleName() + ": " + word);
    }
}
