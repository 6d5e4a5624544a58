package io.forebay.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.protocol.SessionCommand;
import java.util.List;
import org.junit.jupiter.api.Test;

/** I3: a Send comes only when the one has come that it says it comes after; what is forgotten has not come. */
class SendOrderTest {
    private final SendOrder order = new SendOrder(2);

    private boolean comes(String topic, long requestId, long after) {
        return order.comes(new SessionCommand.Send(requestId, topic, -1, List.of(), null, after));
    }

    @Test
    void eachTopicHasAnOrderOfItsOwn() {
        assertThat(comes("t", 1, SessionCommand.Send.FIRST)).isTrue();
        assertThat(comes("u", 3, 2)).isFalse();
        assertThat(comes("u", 2, SessionCommand.Send.FIRST)).isTrue();
        assertThat(comes("t", 4, 1)).isTrue();
        assertThat(comes("u", 3, 2)).isTrue();
        assertThat(comes("t", 6, 5)).isFalse();
    }

    @Test
    void whatComesAgainHasCome() {
        assertThat(comes("t", 1, SessionCommand.Send.FIRST)).isTrue();
        assertThat(comes("t", 2, 1)).isTrue();
        assertThat(comes("t", 1, SessionCommand.Send.FIRST)).isTrue();
        assertThat(comes("t", 3, 2)).isTrue();
    }

    @Test
    void whatWasLostAndIsNotRepeatedHoldsUpNothing() {
        assertThat(comes("t", 2, 1)).isFalse();
        assertThat(comes("t", 2, SessionCommand.Send.FIRST)).isTrue();
        assertThat(comes("t", 3, 2)).isTrue();
    }

    @Test
    void whatComesInNoOrderIsNoPartOfOne() {
        assertThat(comes("t", 9, SessionCommand.Send.UNORDERED)).isTrue();
        assertThat(comes("t", 5, 4)).isFalse();
    }

    @Test
    void ofTopicsThatWereNotSentToForLongNothingIsKnown() {
        assertThat(comes("t", 1, SessionCommand.Send.FIRST)).isTrue();
        assertThat(comes("u", 2, SessionCommand.Send.FIRST)).isTrue();
        assertThat(comes("t", 3, 1)).isTrue();
        assertThat(comes("v", 4, SessionCommand.Send.FIRST)).isTrue();
        assertThat(comes("u", 5, 2)).isFalse();
        assertThat(comes("t", 6, 3)).isTrue();
    }
}
