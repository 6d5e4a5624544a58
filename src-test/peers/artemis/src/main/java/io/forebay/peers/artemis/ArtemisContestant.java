package io.forebay.peers.artemis;

import io.forebay.yardstick.Batch;
import io.forebay.yardstick.BrokerProcess;
import io.forebay.yardstick.Contestant;
import io.forebay.yardstick.Intake;
import io.forebay.yardstick.Setup;
import io.forebay.yardstick.Shape;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.activemq.artemis.api.core.ActiveMQException;
import org.apache.activemq.artemis.api.core.QueueConfiguration;
import org.apache.activemq.artemis.api.core.RoutingType;
import org.apache.activemq.artemis.api.core.SimpleString;
import org.apache.activemq.artemis.api.core.client.ActiveMQClient;
import org.apache.activemq.artemis.api.core.client.ClientConsumer;
import org.apache.activemq.artemis.api.core.client.ClientMessage;
import org.apache.activemq.artemis.api.core.client.ClientProducer;
import org.apache.activemq.artemis.api.core.client.ClientSession;
import org.apache.activemq.artemis.api.core.client.ClientSessionFactory;
import org.apache.activemq.artemis.api.core.client.ServerLocator;
import org.apache.activemq.artemis.core.server.ActiveMQServer;

/**
 * ActiveMQ Artemis through its core client. Options: {@code broker}, {@code in-vm} or {@code tcp} (a JVM of its own, over
 * loopback); {@code journal}, {@code nio} or {@code mapped}.
 *
 * <p>Messages are durable and sent without waiting; a batch is confirmed when the broker has confirmed its last message. Flushed,
 * the journal is synced before that; otherwise it is in the journal's buffer or the page cache, and what is in the former is lost
 * with the process. Acks are sent in batches and not waited for, as the client does by itself.
 */
public final class ArtemisContestant implements Contestant {
    private static final int CONFIRMATION_WINDOW_BYTES = 4 << 20;
    private static final int CONSUMER_WINDOW_BYTES = 1 << 20;
    private static final int BYTES_OF_A_HEADER = 100;

    private final Map<String, String> settings = new LinkedHashMap<>();
    private ActiveMQServer server;
    private BrokerProcess process;
    private ServerLocator locator;

    @Override
    public void start(Setup setup) throws Exception {
        String journal = setup.option("journal", "nio");
        boolean isInVm = setup.option("broker", "in-vm").equals("in-vm");
        String address = isInVm ? "vm://0" : "tcp://127.0.0.1:" + BrokerProcess.freePorts(1);
        if (isInVm) {
            server = ArtemisBroker.start(setup.directory(), address, journal, setup.isFlushed());
        } else {
            String ready = setup.directory().resolve("ready").toString();
            process = BrokerProcess.start(
                    List.of("-Xmx1g"),
                    ArtemisBroker.class,
                    List.of(
                            setup.directory().toAbsolutePath().toString(),
                            address,
                            journal,
                            Boolean.toString(setup.isFlushed()),
                            ready),
                    setup.directory().toAbsolutePath().resolve("broker.log"),
                    setup.directory().resolve("ready"));
        }
        locator = ActiveMQClient.createServerLocator(address)
                .setConfirmationWindowSize(CONFIRMATION_WINDOW_BYTES)
                .setConsumerWindowSize(CONSUMER_WINDOW_BYTES)
                .setProducerWindowSize(-1)
                .setMinLargeMessageSize(Integer.MAX_VALUE)
                .setBlockOnDurableSend(false)
                .setBlockOnAcknowledge(false);
        settings.put("broker", isInVm ? "in-VM" : "TCP, a JVM of its own");
        settings.putAll(ArtemisBroker.settings(journal, setup.isFlushed()));
        settings.put("confirmationWindowSize", Integer.toString(CONFIRMATION_WINDOW_BYTES));
        settings.put("consumerWindowSize", Integer.toString(CONSUMER_WINDOW_BYTES));
        settings.put("blockOnDurableSend, blockOnAcknowledge", "false");
        settings.put("ackBatchSize", "as many bytes as a Pop's messages have");
    }

    @Override
    public Map<String, String> settings() {
        return settings;
    }

    @Override
    public List<ProcessHandle> processes() {
        return process == null ? List.of() : List.of(process.handle());
    }

    @Override
    public Channel open(Shape shape) throws Exception {
        return new Queues(shape, locator.createSessionFactory());
    }

    @Override
    public void close() throws Exception {
        if (locator != null) {
            locator.close();
        }
        if (server != null) {
            server.stop();
        }
        if (process != null) {
            process.close();
        }
    }

    private static final class Queues implements Channel {
        private final Shape shape;
        private final ClientSessionFactory factory;

        Queues(Shape shape, ClientSessionFactory factory) throws ActiveMQException {
            this.shape = shape;
            this.factory = factory;
            ClientSession session = factory.createSession();
            for (int number = 0; number < shape.queues(); number++) {
                session.createQueue(QueueConfiguration.of(queue(number))
                        .setRoutingType(RoutingType.ANYCAST)
                        .setDurable(true));
            }
            session.close();
        }

        private String queue(int number) {
            return shape.name() + "-queue-" + number;
        }

        @Override
        public Sender sender(int index) throws ActiveMQException {
            ClientSession session = factory.createSession(true, true);
            return new Producer(session, session.createProducer());
        }

        @Override
        public void receive(int index, Intake intake) throws ActiveMQException, InterruptedException {
            int ackBatchBytes = shape.popCountMax() * (shape.bodyBytes() + BYTES_OF_A_HEADER);
            ClientSession session = factory.createSession(true, true, ackBatchBytes);
            for (int number = index; number < shape.queues(); number += shape.receivers()) {
                ClientConsumer consumer = session.createConsumer(queue(number));
                consumer.setMessageHandler(message -> take(message, intake));
            }
            session.start();
            while (!intake.isOver()) {
                TimeUnit.MILLISECONDS.sleep(20); // the handlers do the work
            }
            session.close();
        }

        private void take(ClientMessage message, Intake intake) {
            try {
                byte[] body = new byte[message.getBodyBuffer().readableBytes()];
                message.getBodyBuffer().readBytes(body);
                if (!intake.take(body)) {
                    throw new UnsupportedOperationException("giving one message back is a rollback of a session's");
                }
                message.acknowledge();
                intake.acked(1);
            } catch (ActiveMQException | RuntimeException e) {
                intake.failed(e);
            }
        }

        @Override
        public void close() throws ActiveMQException {
            ClientSession session = factory.createSession();
            for (int number = 0; number < shape.queues(); number++) {
                session.deleteQueue(queue(number));
            }
            factory.close();
        }

        private final class Producer implements Sender {
            private final ClientSession session;
            private final ClientProducer producer;

            Producer(ClientSession session, ClientProducer producer) {
                this.session = session;
                this.producer = producer;
            }

            @Override
            public void send(Batch batch) throws ActiveMQException {
                AtomicInteger missing = new AtomicInteger(batch.count());
                for (int i = 0; i < batch.count(); i++) {
                    ClientMessage message = session.createMessage(true);
                    message.getBodyBuffer().writeBytes(batch.body(i));
                    producer.send(SimpleString.of(queue(batch.queue())), message, sent -> {
                        if (missing.decrementAndGet() == 0) {
                            batch.confirmed();
                        }
                    });
                }
            }

            @Override
            public void close() throws ActiveMQException {
                session.close();
            }
        }
    }
}
