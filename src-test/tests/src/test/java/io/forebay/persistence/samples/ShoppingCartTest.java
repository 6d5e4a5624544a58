package io.forebay.persistence.samples;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import akka.actor.typed.ActorRef;
import akka.cluster.sharding.typed.javadsl.ClusterSharding;
import akka.cluster.sharding.typed.javadsl.EntityRef;
import akka.cluster.typed.Cluster;
import akka.cluster.typed.Join;
import akka.pattern.StatusReply;
import io.forebay.persistence.samples.ShoppingCart.Cart;
import io.forebay.persistence.samples.ShoppingCart.Command;
import io.forebay.testkit.faults.MemoryDisk;
import io.forebay.testkit.sim.Proof;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.CompletionStage;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import scala.Function1;

/**
 * Akka's shopping cart: entities in a cluster of one node, and Akka Projections with their offsets in a database that outlives the
 * node. <b>I1</b>: an item whose adding was answered is in its cart behind a kill or a power cut. <b>I2</b>: a projection that is
 * exactly-once has dealt with each event of each cart once, in order; one that is at-least-once has missed none. <b>I3</b>: neither has
 * dealt with an event that is not there any more.
 */
class ShoppingCartTest {
    private static final int CARTS = 12;
    private static final List<String> ITEMS = List.of("socks", "hat", "umbrella");

    private static final String SETTINGS = """
        akka {
          actor.provider = cluster
          remote.artery.canonical { hostname = "127.0.0.1", port = 0 }
          cluster {
            jmx.enabled = off
            periodic-tasks-initial-delay = 10 ms
            gossip-interval = 20 ms
            leader-actions-interval = 20 ms
            singleton.hand-over-retry-interval = 50 ms
            sharding {
              number-of-shards = 8
              retry-interval = 50 ms
              waiting-for-state-timeout = 200 ms
            }
            sharded-daemon-process.keep-alive-interval = 200 ms
          }
          projection {
            jdbc {
              dialect = "h2-dialect"
              blocking-jdbc-dispatcher.thread-pool-executor.fixed-pool-size = 4
            }
            restart-backoff { min-backoff = 50 ms, max-backoff = 200 ms }
          }
        }
        """;

    private SampleApp app;

    @AfterEach
    void stop() throws Exception {
        app.system.terminate();
        SampleApp.get(app.system.getWhenTerminated());
    }

    private static SampleApp start(MemoryDisk disk, String durability) {
        SampleApp app = new SampleApp(disk, SETTINGS + "forebay.persistence.durability = " + durability);
        Cluster cluster = Cluster.get(app.system);
        cluster.manager().tell(Join.create(cluster.selfMember().address()));
        ShoppingCart.init(app.system);
        CartProjections.init(app.system);
        return app;
    }

    private <R> CompletionStage<R> ask(int cart, Function1<ActorRef<StatusReply<R>>, Command> message) {
        EntityRef<Command> entity = ClusterSharding.get(app.system).entityRefFor(ShoppingCart.KEY, "cart-" + cart);
        return entity.askWithStatus(message, SampleApp.PATIENCE);
    }

    private CompletionStage<Cart> get(int cart) {
        return ask(cart, ShoppingCart.GetCart::new);
    }

    private CompletionStage<Cart> add(int cart, String item, long quantity) {
        return ask(cart, replyTo -> new ShoppingCart.AddItem(item, quantity, replyTo));
    }

    @Test
    void cartsAndWhatIsProjectedOfThemAgreeBehindCrashes() throws Exception {
        Random random = new Random(7);
        Cart[] answered = new Cart[CARTS];
        Arrays.fill(answered, new Cart(Map.of(), 0));
        try (CartDatabase database = new CartDatabase()) {
            app = start(new MemoryDisk(), "flushed");
            for (int life = 0; life < 4; life++) {
                List<CompletionStage<Cart>> underWay = new ArrayList<>();
                for (int cart = 0; cart < CARTS; cart++) {
                    Cart found = SampleApp.get(get(cart));
                    assertThat(found.events()).isGreaterThanOrEqualTo(answered[cart].events());
                    answered[cart]
                            .quantities()
                            .forEach((item, quantity) -> assertThat(
                                            found.quantities().get(item))
                                    .as(item)
                                    .isGreaterThanOrEqualTo(quantity));
                    answered[cart] = found;
                    if (random.nextInt(3) == 0) {
                        SampleApp.get(ask(cart, ShoppingCart.CheckOut::new));
                    }
                    for (int i = random.nextInt(6); i >= 0; i--) {
                        int of = cart;
                        CompletionStage<Cart> adding =
                                add(cart, ITEMS.get(random.nextInt(ITEMS.size())), 1 + random.nextInt(9));
                        adding.thenAccept(after -> answered[of] = after);
                        underWay.add(adding);
                    }
                }
                SampleApp.get(underWay.get(random.nextInt(underWay.size())));
                MemoryDisk left = switch (life) {
                    case 0 -> app.kill();
                    case 1 -> {
                        // The projections are busy, and have not come to the end.
                        await().atMost(SampleApp.PATIENCE)
                                .until(() -> !database.popularity().isEmpty());
                        yield app.cutPower(random);
                    }
                    case 2 -> app.cutPower(random);
                    default -> app.kill();
                };
                app = start(left, life == 2 ? "written" : "flushed");
            }
            compare(database);
            stop();
        }
    }

    private void compare(CartDatabase database) throws Exception {
        Map<String, Long> popularity = new TreeMap<>();
        Map<String, Long> events = new TreeMap<>();
        long checkedOut = 0;
        for (int cart = 0; cart < CARTS; cart++) {
            Cart found = SampleApp.get(get(cart));
            found.quantities().forEach((item, quantity) -> popularity.merge(item, quantity, Long::sum));
            events.put("ShoppingCart|cart-" + cart, found.events());
            checkedOut +=
                    app
                            .all(app.journal.currentEventsByPersistenceId(
                                    "ShoppingCart|cart-" + cart, 0, Long.MAX_VALUE))
                            .stream()
                            .filter(envelope -> envelope.event() instanceof ShoppingCart.CheckedOut)
                            .count();
        }
        popularity.put("-", checkedOut);
        await().atMost(SampleApp.PATIENCE).untilAsserted(() -> {
            assertThat(database.events("handled_once")).isEqualTo(events);
            assertThat(database.events("seen")).isEqualTo(events);
            assertThat(database.popularity()).isEqualTo(popularity);
        });
        Proof.messagesAcknowledged.add(
                events.values().stream().mapToLong(Long::longValue).sum());
    }
}
