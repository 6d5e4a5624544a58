package io.forebay.peers.rocketmq;

import io.forebay.yardstick.Intake;
import io.forebay.yardstick.Shape;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import org.apache.rocketmq.client.consumer.AckCallback;
import org.apache.rocketmq.client.consumer.AckResult;
import org.apache.rocketmq.client.consumer.AckStatus;
import org.apache.rocketmq.client.consumer.PopCallback;
import org.apache.rocketmq.client.consumer.PopResult;
import org.apache.rocketmq.client.consumer.PopStatus;
import org.apache.rocketmq.client.impl.MQClientAPIImpl;
import org.apache.rocketmq.common.constant.ConsumeInitMode;
import org.apache.rocketmq.common.filter.ExpressionType;
import org.apache.rocketmq.common.message.MessageConst;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.remoting.protocol.header.ChangeInvisibleTimeRequestHeader;
import org.apache.rocketmq.remoting.protocol.header.ExtraInfoUtil;
import org.apache.rocketmq.remoting.protocol.header.PopMessageRequestHeader;

/**
 * Pops, acks what came of a Pop in one request, and pops again, all in the client's callbacks. Several such rounds are under way:
 *
 * <ul>
 *   <li>one for each queue, shared by the receivers. Pops that leave the choice of a queue to the broker were slower: 41 k/s with
 *       one for each receiver and 62 k/s with two, against 86 k/s.
 *   <li>with the RocksDB store, some of any queue: there a Pop that meets another of the same group waits as if there were
 *       nothing, and only one of the same queue, or of any, wakes it up before something new comes: a drain stops and goes.
 * </ul>
 */
final class RocketReceiver {
    static final int ROUNDS_OF_ANY_QUEUE = 4;
    private static final int ANY_QUEUE = -1;
    private static final int POP_COUNT_MAX = 32; // the broker's limit
    private static final long POLL_MILLIS = 3000;
    private static final long INVISIBLE_MILLIS = 60_000;
    private static final long NACKED_INVISIBLE_MILLIS = 1;

    private final Shape shape;
    private final MQClientAPIImpl api;
    private final String brokerAddress;
    private final boolean isAnyQueue;
    private final Intake intake;

    RocketReceiver(Shape shape, MQClientAPIImpl api, String brokerAddress, boolean isAnyQueue, Intake intake) {
        this.shape = shape;
        this.api = api;
        this.brokerAddress = brokerAddress;
        this.isAnyQueue = isAnyQueue;
        this.intake = intake;
    }

    void run(int index) throws Exception {
        List<Integer> queues = new ArrayList<>();
        if (isAnyQueue && !shape.isOrdered()) {
            queues.addAll(Collections.nCopies(ROUNDS_OF_ANY_QUEUE, ANY_QUEUE));
        } else {
            for (int queue = index % shape.queues(); queue < shape.queues(); queue += shape.receivers()) {
                queues.add(queue);
            }
        }
        CountDownLatch roundsLeft = new CountDownLatch(queues.size());
        for (int queue : queues) {
            new Rounds(queue, roundsLeft).pop();
        }
        roundsLeft.await();
    }

    /** One Pop after the other. */
    private final class Rounds implements PopCallback {
        private final int queue;
        private final CountDownLatch roundsLeft;

        Rounds(int queue, CountDownLatch roundsLeft) {
            this.queue = queue;
            this.roundsLeft = roundsLeft;
        }

        void pop() {
            if (intake.isOver()) {
                roundsLeft.countDown();
                return;
            }
            PopMessageRequestHeader header = new PopMessageRequestHeader();
            header.setTopic(shape.name());
            header.setConsumerGroup(shape.name());
            header.setQueueId(queue);
            header.setMaxMsgNums(Math.min(shape.popCountMax(), POP_COUNT_MAX));
            header.setInvisibleTime(INVISIBLE_MILLIS);
            header.setPollTime(POLL_MILLIS);
            header.setBornTime(System.currentTimeMillis());
            header.setInitMode(ConsumeInitMode.MIN);
            header.setExpType(ExpressionType.TAG);
            header.setExp("*");
            header.setOrder(shape.isOrdered());
            header.setBrokerName(RocketContestant.BROKER_NAME);
            try {
                api.popMessageAsync(
                        RocketContestant.BROKER_NAME, brokerAddress, header, RocketContestant.TIMEOUT_MILLIS, this);
            } catch (Exception e) {
                onException(e);
            }
        }

        @Override
        public void onSuccess(PopResult result) {
            try {
                if (result.getPopStatus() == PopStatus.FOUND) {
                    take(result.getMsgFoundList());
                }
            } catch (Exception e) {
                onException(e);
                return;
            }
            pop();
        }

        @Override
        public void onException(Throwable e) {
            intake.failed(e);
            roundsLeft.countDown();
        }
    }

    private void take(List<MessageExt> messages) throws Exception {
        List<String> taken = new ArrayList<>(messages.size());
        for (MessageExt message : messages) {
            String handle = message.getProperty(MessageConst.PROPERTY_POP_CK);
            if (intake.take(message.getBody())) {
                taken.add(handle);
            } else {
                giveBack(handle);
            }
        }
        if (!taken.isEmpty()) {
            api.batchAckMessageAsync(
                    brokerAddress,
                    RocketContestant.TIMEOUT_MILLIS,
                    new Answer(taken.size()),
                    shape.name(),
                    shape.name(),
                    taken);
        }
    }

    private void giveBack(String handle) throws Exception {
        String[] parts = ExtraInfoUtil.split(handle);
        ChangeInvisibleTimeRequestHeader header = new ChangeInvisibleTimeRequestHeader();
        header.setTopic(ExtraInfoUtil.getRealTopic(parts, shape.name(), shape.name()));
        header.setConsumerGroup(shape.name());
        header.setQueueId(ExtraInfoUtil.getQueueId(parts));
        header.setOffset(ExtraInfoUtil.getQueueOffset(parts));
        header.setExtraInfo(handle);
        header.setInvisibleTime(NACKED_INVISIBLE_MILLIS);
        header.setBrokerName(RocketContestant.BROKER_NAME);
        api.changeInvisibleTimeAsync(
                RocketContestant.BROKER_NAME, brokerAddress, header, RocketContestant.TIMEOUT_MILLIS, new Answer(0));
    }

    /** To acks, or to one that is given back. */
    private final class Answer implements AckCallback {
        private final int ackCount;

        Answer(int ackCount) {
            this.ackCount = ackCount;
        }

        @Override
        public void onSuccess(AckResult result) {
            if (result.getStatus() != AckStatus.OK) {
                intake.failed(new IllegalStateException("an ack ended with " + result.getStatus()));
            } else if (ackCount > 0) {
                intake.acked(ackCount);
            }
        }

        @Override
        public void onException(Throwable e) {
            intake.failed(e);
        }
    }
}
