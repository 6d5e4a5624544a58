package io.forebay.protocol.wire;

import io.forebay.protocol.Delivery;
import io.forebay.protocol.Durability;
import io.forebay.protocol.Message;
import io.forebay.protocol.ReceiptHandle;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/** What a message costs on the wire, in batches of 32: nanoseconds for each message of 300 bytes, or for each of their handles. */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(1)
public class WireBenchmark {
    private static final int BATCH = 32;

    private final SessionCommand.Send send;
    private final SessionEvent.Popped popped;
    private final SessionCommand.Ack ack;
    private final byte[] sendBytes;
    private final byte[] poppedBytes;
    private final byte[] ackBytes;

    public WireBenchmark() {
        List<Message> messages = new ArrayList<>();
        List<Delivery> deliveries = new ArrayList<>();
        List<ReceiptHandle> handles = new ArrayList<>();
        for (int i = 0; i < BATCH; i++) {
            Message message = Message.builder("orders")
                    .id("1y2p0ij32e8e7-" + i)
                    .body(new byte[300])
                    .bornMillis(1_800_000_000_000L + i)
                    .build();
            messages.add(message);
            ReceiptHandle handle = new ReceiptHandle(7, 0, 3, 5, 1000 + i, 9, 123_456, 0x1234_5678_9ABCL);
            handles.add(handle);
            deliveries.add(
                    new Delivery(message, "billing", 0, 1000 + i, 1, handle, 1_800_000_060_000L, 1_800_000_000_000L));
        }
        send = new SessionCommand.Send(1, "orders", -1, messages, Durability.WRITTEN, SessionCommand.Send.UNORDERED);
        popped = new SessionEvent.Popped(2, deliveries);
        ack = new SessionCommand.Ack(3, "billing", handles, Durability.WRITTEN);
        sendBytes = written(send);
        poppedBytes = written(popped);
        ackBytes = written(ack);
    }

    private static byte[] written(Object value) {
        WireWriter out = new WireWriter(16 * 1024);
        WireCodec.write(out, value, null);
        return out.toBytes();
    }

    private static Object read(WireType type, byte[] bytes) throws MalformedWireException {
        return WireCodec.read(type, new WireReader(bytes, 0, bytes.length), null);
    }

    @Benchmark
    @OperationsPerInvocation(BATCH)
    public byte[] writeSend() {
        return written(send);
    }

    @Benchmark
    @OperationsPerInvocation(BATCH)
    public Object readSend() throws MalformedWireException {
        return read(WireType.SEND, sendBytes);
    }

    @Benchmark
    @OperationsPerInvocation(BATCH)
    public byte[] writePopped() {
        return written(popped);
    }

    @Benchmark
    @OperationsPerInvocation(BATCH)
    public Object readPopped() throws MalformedWireException {
        return read(WireType.POPPED, poppedBytes);
    }

    @Benchmark
    @OperationsPerInvocation(BATCH)
    public byte[] writeAck() {
        return written(ack);
    }

    @Benchmark
    @OperationsPerInvocation(BATCH)
    public Object readAck() throws MalformedWireException {
        return read(WireType.ACK, ackBytes);
    }
}
