package io.forebay.queue.core;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class QueueStateTest {
    @Test
    void writtenMessagesAreReadableAtOnceByDefault() {
        QueueState state = new QueueState(0, 5, false);
        assertThat(state.readableEnd()).isEqualTo(5);
        assertThat(state.written(8, 40)).isTrue();
        assertThat(state.readableEnd()).isEqualTo(8);
        assertThat(state.awaitsDurability()).isFalse();
    }

    @Test
    void messagesOfADurableTopicAreReadableWhenTheyAreFlushed() {
        QueueState state = new QueueState(0, 0, true);
        assertThat(state.written(3, 10)).isFalse();
        assertThat(state.written(5, 14)).isFalse();
        assertThat(state.readableEnd()).isZero();
        assertThat(state.durable(9)).isFalse();
        assertThat(state.durable(13)).isTrue();
        assertThat(state.readableEnd()).isEqualTo(3);
        assertThat(state.writtenEnd()).isEqualTo(5);
        assertThat(state.durable(14)).isTrue();
        assertThat(state.readableEnd()).isEqualTo(5);
    }

    @Test
    void nothingIsReleasedThatAnyGroupNeeds() {
        QueueState state = new QueueState(2, 100, false);
        assertThat(state.releaseFloor()).isEqualTo(2);
        state.groupFloor(1, 2);
        assertThat(state.groupFloor(2, 50)).isFalse();
        assertThat(state.groupFloor(1, 30)).isTrue();
        assertThat(state.releaseFloor()).isEqualTo(30);
        assertThat(state.groupFloor(1, 70)).isTrue();
        assertThat(state.releaseFloor()).isEqualTo(50);
        assertThat(state.removeGroup(2)).isTrue();
        assertThat(state.releaseFloor()).isEqualTo(70);
        assertThat(state.removeGroup(1)).isFalse();
        assertThat(state.releaseFloor()).isEqualTo(70);
    }

    @Test
    void groupThatBeginsLowerDoesNotTakeBackWhatIsReleased() {
        QueueState state = new QueueState(0, 100, false);
        state.groupFloor(1, 60);
        state.groupFloor(2, 10);
        assertThat(state.releaseFloor()).isEqualTo(60);
        state.groupFloor(2, 80);
        assertThat(state.groupFloor(1, 90)).isTrue();
        assertThat(state.releaseFloor()).isEqualTo(80);
    }
}
