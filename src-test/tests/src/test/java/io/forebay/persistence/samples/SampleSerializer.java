package io.forebay.persistence.samples;

import akka.actor.ExtendedActorSystem;
import akka.serialization.SerializerWithStringManifest;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.NotSerializableException;
import java.io.UncheckedIOException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.RecordComponent;
import java.util.Map;
import java.util.TreeMap;

/**
 * Of the records that the samples store: numbers, strings, and counts by name. The manifest is the record's name within this package,
 * and has to stay.
 */
public final class SampleSerializer extends SerializerWithStringManifest {
    private static final String PACKAGE = SampleSerializer.class.getPackageName() + ".";
    private static final int IDENTIFIER = 48_216_377;

    /** Called by Akka. */
    public SampleSerializer(ExtendedActorSystem system) {}

    @Override
    public int identifier() {
        return IDENTIFIER;
    }

    @Override
    public String manifest(Object stored) {
        return stored.getClass().getName().substring(PACKAGE.length());
    }

    @Override
    public byte[] toBinary(Object stored) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        DataOutputStream out = new DataOutputStream(bytes);
        try {
            for (RecordComponent component : stored.getClass().getRecordComponents()) {
                component.getAccessor().setAccessible(true);
                write(out, component.getType(), component.getAccessor().invoke(stored));
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (IllegalAccessException | InvocationTargetException e) {
            throw new IllegalArgumentException(stored.toString(), e);
        }
        return bytes.toByteArray();
    }

    private static void write(DataOutputStream out, Class<?> type, Object value) throws IOException {
        if (type == long.class) {
            out.writeLong((Long) value);
        } else if (type == String.class) {
            out.writeUTF((String) value);
        } else if (type == Map.class) {
            Map<?, ?> counts = (Map<?, ?>) value;
            out.writeInt(counts.size());
            for (Map.Entry<?, ?> count : counts.entrySet()) {
                out.writeUTF((String) count.getKey());
                out.writeLong((Long) count.getValue());
            }
        } else {
            throw new IllegalArgumentException(type + " is not stored");
        }
    }

    @Override
    public Object fromBinary(byte[] bytes, String manifest) throws NotSerializableException {
        Class<?> type;
        try {
            type = Class.forName(PACKAGE + manifest);
        } catch (ClassNotFoundException e) {
            throw new NotSerializableException("manifest " + manifest);
        }
        RecordComponent[] components = type.getRecordComponents();
        Class<?>[] types = new Class<?>[components.length];
        Object[] values = new Object[components.length];
        DataInputStream in = new DataInputStream(new ByteArrayInputStream(bytes));
        try {
            for (int i = 0; i < components.length; i++) {
                types[i] = components[i].getType();
                values[i] = read(in, types[i]);
            }
            var constructor = type.getDeclaredConstructor(types);
            constructor.setAccessible(true);
            return constructor.newInstance(values);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (ReflectiveOperationException e) {
            throw new IllegalArgumentException(manifest, e);
        }
    }

    private static Object read(DataInputStream in, Class<?> type) throws IOException {
        if (type == long.class) {
            return in.readLong();
        }
        if (type == String.class) {
            return in.readUTF();
        }
        Map<String, Long> counts = new TreeMap<>();
        for (int left = in.readInt(); left > 0; left--) {
            String name = in.readUTF();
            counts.put(name, in.readLong());
        }
        return counts;
    }
}
