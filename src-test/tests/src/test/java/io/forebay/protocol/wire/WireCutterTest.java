package io.forebay.protocol.wire;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.forebay.protocol.Chunk;
import io.forebay.protocol.ChunkAck;
import io.forebay.protocol.Message;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** Cutting and joining: nothing lost, nothing reordered, no frame too large, never more than the credit on its way. */
class WireCutterTest {
    private static final int FRAME_BYTES = WireFrames.FRAME_BYTES_MIN;
    private static final int PAYLOAD_BYTES = FRAME_BYTES - WireFrames.ENVELOPE_BYTES;
    private static final long CREDIT_BYTES = 2L * FRAME_BYTES;

    private static SessionCommand.Send send(long requestId, int bodyBytes, Random random) {
        byte[] body = new byte[bodyBytes];
        random.nextBytes(body);
        return new SessionCommand.Send(
                requestId,
                "orders",
                -1,
                List.of(Message.builder("orders").id("m" + requestId).body(body).build()),
                null);
    }

    @Test
    void whatFitsAFrameIsPassedOnAsItIs() {
        WireCutter<SessionCommand> cutter = WireCutter.ofCommands(FRAME_BYTES, CREDIT_BYTES);
        List<SessionCommand> out = new ArrayList<>();
        SessionCommand small = send(1, 1000, new Random(1));
        cutter.offer(small, out::add);
        assertThat(out).containsExactly(small);
        assertThat(cutter.waitingBytes()).isZero();
    }

    @Test
    void anythingIsJoinedAgainInOrderWithinCredit() throws MalformedWireException {
        for (long seed = 0; seed < 200; seed++) {
            Random random = new Random(seed);
            WireCutter<SessionCommand> cutter = WireCutter.ofCommands(FRAME_BYTES, CREDIT_BYTES);
            WireJoiner<SessionCommand> joiner = new WireJoiner<>(SessionCommand.class, 1 << 20);
            ArrayDeque<SessionCommand> wire = new ArrayDeque<>();
            ArrayDeque<ChunkAck> acks = new ArrayDeque<>();
            List<SessionCommand> offered = new ArrayList<>();
            List<SessionCommand> arrived = new ArrayList<>();
            long onItsWay = 0;
            int toOffer = 1 + random.nextInt(12);
            while (toOffer > 0 || !wire.isEmpty() || !acks.isEmpty()) {
                int step = random.nextInt(3);
                int before = wire.size();
                if (step == 0 && toOffer > 0) {
                    toOffer--;
                    SessionCommand next =
                            send(offered.size(), random.nextInt(random.nextBoolean() ? 2000 : 5 * FRAME_BYTES), random);
                    offered.add(next);
                    cutter.offer(next, wire::addLast);
                } else if (step == 1 && !acks.isEmpty()) {
                    cutter.acked(acks.removeFirst(), wire::addLast);
                } else if (!wire.isEmpty()) {
                    SessionCommand next = wire.removeFirst();
                    before--;
                    if (next instanceof Chunk chunk) {
                        onItsWay -= chunk.bytes().length;
                        if (random.nextInt(10) > 0 || wire.isEmpty()) { // acknowledgements are cumulative
                            acks.addLast(new ChunkAck(chunk.streamId(), chunk.index()));
                        }
                        SessionCommand joined = joiner.accept(chunk);
                        if (joined != null) {
                            arrived.add(joined);
                        }
                    } else {
                        arrived.add(next);
                    }
                }
                int added = wire.size() - before;
                for (SessionCommand sent : List.copyOf(wire).subList(wire.size() - added, wire.size())) {
                    if (sent instanceof Chunk chunk) {
                        assertThat(chunk.bytes().length).isLessThanOrEqualTo(PAYLOAD_BYTES);
                        onItsWay += chunk.bytes().length;
                    }
                }
                assertThat(onItsWay).as("seed %s", seed).isLessThanOrEqualTo(CREDIT_BYTES);
            }
            assertThat(arrived).as("seed %s", seed).isEqualTo(offered);
            assertThat(cutter.waitingBytes()).isZero();
            assertThat(joiner.heldBytes()).isZero();
        }
    }

    @Test
    void whatComesBehindALargeOneWaitsForIt() {
        WireCutter<SessionCommand> cutter = WireCutter.ofCommands(FRAME_BYTES, FRAME_BYTES);
        List<SessionCommand> out = new ArrayList<>();
        Random random = new Random(1);
        cutter.offer(send(1, 3 * FRAME_BYTES, random), out::add);
        SessionCommand small = new SessionCommand.CancelPop(2, 1);
        cutter.offer(small, out::add);
        assertThat(out).hasSize(1);
        assertThat(cutter.isCongested()).isTrue();
        for (int i = 0; i < out.size() && !out.contains(small); i++) {
            Chunk chunk = (Chunk) out.get(i);
            cutter.acked(new ChunkAck(chunk.streamId(), chunk.index()), out::add);
        }
        assertThat(out).last().isEqualTo(small);
        assertThat(cutter.isCongested()).isFalse();
    }

    /** A transport keeps for a client that takes nothing whatever it is given, whether it had to be cut or not. */
    @Test
    void eventsThatFitAFrameUseUpTheCreditToo() throws MalformedWireException {
        long credit = 8L * FRAME_BYTES;
        WireCutter<SessionEvent> cutter = WireCutter.ofEvents(FRAME_BYTES, credit);
        WireJoiner<SessionEvent> joiner = new WireJoiner<>(SessionEvent.class, 1 << 20);
        ArrayDeque<SessionEvent> wire = new ArrayDeque<>();
        List<SessionEvent> offered = new ArrayList<>();
        List<SessionEvent> arrived = new ArrayList<>();
        String text = "x".repeat(1000);
        for (int i = 0; i < 2000; i++) {
            SessionEvent event = new SessionEvent.Refused(i, Refusal.busy(text, 1));
            offered.add(event);
            cutter.offer(event, wire::addLast);
        }
        // A character counts as three bytes until it is encoded.
        assertThat(wire.size() * 1000L).as("bytes on their way").isBetween(credit / 4, credit + credit / 4);
        assertThat(cutter.isCongested()).isTrue();
        assertThat(cutter.heldBytes()).isGreaterThan(2000 * 1000L - 2 * credit);
        while (!wire.isEmpty()) {
            SessionEvent event = wire.removeFirst();
            if (event instanceof Chunk chunk) {
                event = joiner.accept(chunk);
                cutter.acked(new ChunkAck(chunk.streamId(), chunk.index()), wire::addLast);
            }
            if (event != null) {
                arrived.add(event);
            }
        }
        assertThat(arrived).isEqualTo(offered);
        assertThat(cutter.heldBytes()).isZero();
    }

    @Test
    void aRequestIsKnownByItsFirstChunk() throws MalformedWireException {
        WireCutter<SessionCommand> cutter = WireCutter.ofCommands(FRAME_BYTES, CREDIT_BYTES);
        List<SessionCommand> out = new ArrayList<>();
        cutter.offer(send(1L << 40, 3 * FRAME_BYTES, new Random(1)), out::add);
        WireJoiner<SessionCommand> joiner = new WireJoiner<>(SessionCommand.class, 1 << 20);
        assertThat(joiner.requestId()).isEqualTo(-1);
        joiner.accept((Chunk) out.get(0));
        assertThat(joiner.requestId()).isEqualTo(1L << 40);
        joiner.accept(new Chunk(7, 0, 100, new byte[50]));
        assertThat(joiner.requestId()).isEqualTo(-1);
    }

    @Test
    void aStreamThatLostAChunkIsDroppedAndTheNextOneJoined() throws MalformedWireException {
        WireCutter<SessionCommand> cutter = WireCutter.ofCommands(FRAME_BYTES, 1 << 20);
        List<SessionCommand> out = new ArrayList<>();
        Random random = new Random(1);
        SessionCommand second = send(2, 2 * FRAME_BYTES, random);
        cutter.offer(send(1, 3 * FRAME_BYTES, random), out::add);
        out.remove(1);
        cutter.offer(second, out::add);
        WireJoiner<SessionCommand> joiner = new WireJoiner<>(SessionCommand.class, 1 << 20);
        List<SessionCommand> joined = new ArrayList<>();
        for (SessionCommand chunk : out) {
            SessionCommand value = joiner.accept((Chunk) chunk);
            if (value != null) {
                joined.add(value);
            }
        }
        assertThat(joined).containsExactly(second);
    }

    @Test
    void afterAResetOldAcknowledgementsMeanNothing() {
        WireCutter<SessionCommand> cutter = WireCutter.ofCommands(FRAME_BYTES, FRAME_BYTES);
        List<SessionCommand> out = new ArrayList<>();
        Random random = new Random(1);
        cutter.offer(send(1, 3 * FRAME_BYTES, random), out::add);
        cutter.reset(FRAME_BYTES, FRAME_BYTES);
        cutter.offer(send(1, 3 * FRAME_BYTES, random), out::add);
        assertThat(out).hasSize(2);
        cutter.acked(new ChunkAck(((Chunk) out.get(0)).streamId(), 0), out::add);
        assertThat(out).hasSize(2);
        Chunk second = (Chunk) out.get(1);
        cutter.acked(new ChunkAck(second.streamId(), second.index()), out::add);
        assertThat(out).hasSize(3);
    }

    @Test
    void aJoinerHoldsNoMoreThanItReceivedAndRefusesWhatIsTooLarge() throws MalformedWireException {
        WireJoiner<SessionCommand> joiner = new WireJoiner<>(SessionCommand.class, 1 << 20);
        assertThat(joiner.accept(new Chunk(1, 0, 1 << 20, new byte[10]))).isNull();
        assertThat(joiner.heldBytes()).isEqualTo(10);
        assertThatThrownBy(() -> joiner.accept(new Chunk(2, 0, (1 << 20) + 1, new byte[10])))
                .isInstanceOf(MalformedWireException.class)
                .hasMessageContaining("1048577");
        assertThat(joiner.heldBytes()).isZero();
        assertThatThrownBy(() -> joiner.accept(new Chunk(3, 0, 20, new byte[30])))
                .isInstanceOf(MalformedWireException.class);
        assertThatThrownBy(() -> joiner.accept(new Chunk(4, 0, 20, new byte[0])))
                .isInstanceOf(MalformedWireException.class);
    }

    @Test
    void aJoinerTellsWhatIsNotOfItsDirection() {
        WireCutter<SessionCommand> cutter = WireCutter.ofCommands(FRAME_BYTES, 1 << 20);
        List<SessionCommand> out = new ArrayList<>();
        cutter.offer(send(1, 2 * FRAME_BYTES, new Random(1)), out::add);
        WireJoiner<SessionEvent> joiner = new WireJoiner<>(SessionEvent.class, 1 << 20);
        assertThatThrownBy(() -> {
                    for (SessionCommand chunk : out) {
                        joiner.accept((Chunk) chunk);
                    }
                })
                .isInstanceOf(MalformedWireException.class)
                .hasMessageContaining("SEND");
    }

    @Test
    void rubbishInChunksIsToldApart() {
        Random random = new Random(5);
        WireJoiner<SessionCommand> joiner = new WireJoiner<>(SessionCommand.class, 1 << 16);
        for (int i = 0; i < 20_000; i++) {
            byte[] bytes = new byte[random.nextInt(40)];
            random.nextBytes(bytes);
            try {
                joiner.accept(new Chunk(random.nextInt(3), random.nextInt(3), random.nextInt(60), bytes));
            } catch (MalformedWireException told) {
                assertThat(joiner.heldBytes()).isZero();
            }
        }
    }
}
