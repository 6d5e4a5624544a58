package io.forebay.queue;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.forebay.protocol.Message;
import io.forebay.storage.log.CorruptRecordException;
import io.forebay.storage.log.MessageRecord;
import io.forebay.storage.log.MessageView;
import java.util.List;
import java.util.Map;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;

/**
 * Invariants:
 *
 * <ol>
 *   <li>I1: a message that is stored and read comes back as it was, whether through a record or straight from the bytes
 *   <li>I2: a builder that is used again carries nothing over from the message before
 * </ol>
 */
class MessageFormTest {
    private final MessageRecord.Builder builder = MessageRecord.builder();
    private final MessageView view = new MessageView();

    @Provide
    Arbitrary<Message> messages() {
        Arbitrary<String> texts = Arbitraries.strings().ofMaxLength(5).injectDuplicates(0.3);
        Arbitrary<List<String>> keys = Arbitraries.strings()
                .withChars('a', '\\', '\u001F', 's')
                .ofMinLength(1)
                .ofMaxLength(4)
                .list()
                .ofMaxSize(3);
        return Combinators.combine(
                        texts,
                        keys,
                        Arbitraries.bytes().array(byte[].class).ofMaxSize(40),
                        Arbitraries.longs().between(0, 3),
                        Arbitraries.integers().between(-1, 1),
                        Arbitraries.maps(Arbitraries.strings().alpha().ofLength(1), texts)
                                .ofMaxSize(2))
                .as((text, some, body, number, priority, properties) -> Message.unchecked(
                        "t",
                        "id" + text,
                        body,
                        priority > 0 ? text : "",
                        some,
                        number > 1 ? text : "",
                        number,
                        number == 1 ? text : "",
                        priority,
                        Map.copyOf(properties),
                        number * 1000,
                        text,
                        priority < 0 ? text : "",
                        number,
                        number == 0 ? 0 : number + 7));
    }

    private Message readInPlace(MessageRecord record) throws CorruptRecordException {
        byte[] bytes = new byte[record.bodyBytes()];
        record.encodeBody(bytes, 0);
        view.wrap(bytes, 0, bytes.length);
        return MessageForm.toMessage("t", view);
    }

    /** I1, I2. */
    @Property(tries = 300)
    void messageComesBackAsItWas(@ForAll("messages") Message first, @ForAll("messages") Message message)
            throws CorruptRecordException {
        MessageForm.toRecord(first, builder);
        MessageRecord record = MessageForm.toRecord(message, builder);
        assertThat(record).isEqualTo(MessageForm.toRecord(message));
        assertThat(MessageForm.toMessage("t", record)).isEqualTo(message);
        assertThat(readInPlace(record)).isEqualTo(message);
    }

    @Example
    void tagThatIsNotTheOneOfItsHashIsCorrupt() throws CorruptRecordException {
        MessageRecord record = MessageRecord.builder().id("m").tag("red").build();
        byte[] bytes = new byte[record.bodyBytes()];
        record.encodeBody(bytes, 0);
        bytes[8] ^= 1;
        view.wrap(bytes, 0, bytes.length);
        assertThatThrownBy(() -> MessageForm.toMessage("t", view))
                .isInstanceOf(CorruptRecordException.class)
                .hasMessageContaining("tag red does not have the hash");
    }
}
