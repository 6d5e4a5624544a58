package io.forebay.queue;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.forebay.storage.log.Frame;
import io.forebay.storage.log.Owner;
import io.forebay.storage.log.PurgeRecord;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What an actor sends again is what the log still holds, all of it and in order; it keeps nothing alive by itself. */
class RetainedFramesTest {
    private static Frame frame() {
        return Frame.builder(100).add(Owner.queue(7), new PurgeRecord(3, 0)).build();
    }

    @Test
    void whatTheLogHoldsIsSentAgainInOrder() {
        RetainedFrames retained = new RetainedFrames();
        List<Frame> log = new ArrayList<>();
        for (int i = 0; i < 5; i++) {
            log.add(frame());
            retained.add(log.get(i));
        }
        System.gc();
        assertThat(retained.above(Long.MIN_VALUE)).isEqualTo(log);
        retained.releaseUpTo(log.get(4).lastSequence());
        assertThat(retained.above(Long.MIN_VALUE)).isEmpty();
    }

    @Test
    void whatTheLogHasLetGoOfIsNotKeptByAnActorThatHasFallenSilent() {
        RetainedFrames retained = new RetainedFrames();
        Frame held = frame();
        for (int i = 0; i < 100; i++) {
            retained.add(frame());
        }
        retained.add(held);
        await().until(() -> {
            System.gc();
            return retained.above(Long.MIN_VALUE).equals(List.of(held));
        });
    }
}
