package io.forebay.persistence.samples;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import akka.Done;
import akka.actor.typed.ActorRef;
import akka.actor.typed.ActorSystem;
import akka.actor.typed.Props;
import akka.actor.typed.javadsl.AskPattern;
import akka.actor.typed.javadsl.Behaviors;
import akka.pattern.StatusReply;
import akka.persistence.query.Offset;
import akka.persistence.query.PersistenceQuery;
import akka.persistence.query.journal.leveldb.javadsl.LeveldbReadJournal;
import akka.persistence.typed.PersistenceId;
import akka.persistence.typed.javadsl.CommandHandler;
import akka.persistence.typed.javadsl.EventHandler;
import akka.persistence.typed.javadsl.EventSourcedBehavior;
import akka.projection.Projection;
import akka.projection.ProjectionBehavior;
import akka.projection.ProjectionId;
import akka.projection.eventsourced.EventEnvelope;
import akka.projection.eventsourced.javadsl.EventSourcedProvider;
import akka.projection.javadsl.SourceProvider;
import akka.projection.jdbc.javadsl.JdbcHandler;
import akka.projection.jdbc.javadsl.JdbcProjection;
import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import io.forebay.persistence.ForebayReadJournal;
import io.forebay.persistence.JournalImport;
import io.forebay.persistence.samples.CartDatabase.Session;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The examples of docs/persistence.md. What lies between the marks in this file stands in the page word for word, and the page's
 * configuration is what it runs with.
 */
class PersistenceExampleTest {
    private static final Path ROOT = Path.of("..", "..");
    private static final Path PAGE = ROOT.resolve("docs/persistence.md");
    private static final Duration PATIENCE = Duration.ofSeconds(20);

    // <actor>
    /** Words that somebody wants to keep. */
    static final class Notebook extends EventSourcedBehavior<Notebook.Write, String, List<String>> {
        record Write(String word, ActorRef<StatusReply<Done>> replyTo) {}

        Notebook(String owner) {
            super(PersistenceId.of("Notebook", owner));
        }

        @Override
        public List<String> emptyState() {
            return List.of();
        }

        @Override
        public CommandHandler<Write, String, List<String>> commandHandler() {
            return newCommandHandlerBuilder()
                    .forAnyState()
                    .onCommand(
                            Write.class,
                            (words, write) ->
                                    Effect().persist(write.word).thenReply(write.replyTo, after -> StatusReply.ack()))
                    .build();
        }

        @Override
        public EventHandler<List<String>, String> eventHandler() {
            return newEventHandlerBuilder()
                    .forAnyState()
                    .onAnyEvent((words, word) ->
                            Stream.concat(words.stream(), Stream.of(word)).toList());
        }

        @Override
        public Set<String> tagsFor(String word) {
            return Set.of("words");
        }
    }
    // </actor>

    /** Counts a word, in the transaction that says how far the projection is. */
    private static final class Index extends JdbcHandler<EventEnvelope<String>, Session> {
        @Override
        public void process(Session session, EventEnvelope<String> word) throws Exception {
            session.add(word.event(), 1, word.persistenceId(), word.sequenceNr());
        }
    }

    @TempDir
    Path folder;

    private final LinkedBlockingQueue<String> said = new LinkedBlockingQueue<>();

    @Test
    void anActorAQueryAndAProjection() throws Exception {
        // The data directory is the test's own; all else is as the page says.
        Config config = ConfigFactory.parseString("forebay.storage.directory = \"" + folder + "\"")
                .withFallback(ConfigFactory.parseString("""
                    akka.projection.jdbc {
                      dialect = "h2-dialect"
                      blocking-jdbc-dispatcher.thread-pool-executor.fixed-pool-size = 2
                    }
                    """))
                .withFallback(ConfigFactory.parseString(block(PAGE, "hocon")))
                .withFallback(ConfigFactory.load());
        try (CartDatabase database = new CartDatabase()) {
            ActorSystem<Void> system = ActorSystem.create(Behaviors.empty(), "shop", config);
            JdbcProjection.createTablesIfNotExists(Session::new, system)
                    .toCompletableFuture()
                    .get(20, TimeUnit.SECONDS);
            ActorRef<Notebook.Write> notebook = system.systemActorOf(new Notebook("anna"), "anna", Props.empty());
            for (String word : List.of("sluice", "weir", "sluice")) {
                CompletionStage<Done> written = AskPattern.askWithStatus(
                        notebook, replyTo -> new Notebook.Write(word, replyTo), PATIENCE, system.scheduler());
                written.toCompletableFuture().get(20, TimeUnit.SECONDS);
            }
            // <query>
            ForebayReadJournal journal = PersistenceQuery.get(system)
                    .getReadJournalFor(ForebayReadJournal.class, ForebayReadJournal.IDENTIFIER);
            journal.eventsByTag("words", Offset.noOffset())
                    .runForeach(word -> said.add(word.persistenceId() + " wrote " + word.event()), system);
            // </query>
            assertThat(said.poll(20, TimeUnit.SECONDS)).isEqualTo("Notebook|anna wrote sluice");
            assertThat(said.poll(20, TimeUnit.SECONDS)).isEqualTo("Notebook|anna wrote weir");
            // <projection>
            SourceProvider<Offset, EventEnvelope<String>> words =
                    EventSourcedProvider.eventsByTag(system, ForebayReadJournal.IDENTIFIER, "words");
            Projection<EventEnvelope<String>> index = JdbcProjection.exactlyOnce(
                    ProjectionId.of("index", "words"), words, Session::new, Index::new, system);
            system.systemActorOf(ProjectionBehavior.create(index), "index", Props.empty());
            // </projection>
            await().atMost(PATIENCE).until(() -> database.popularity().equals(Map.of("sluice", 2L, "weir", 1L)));
            system.terminate();
            system.getWhenTerminated().toCompletableFuture().get(60, TimeUnit.SECONDS);
        }
    }

    /** Never called, for there is no LevelDB here; that it compiles is what the page needs. */
    @SuppressWarnings("deprecation")
    static void anImport(ActorSystem<Void> system) {
        // <import>
        LeveldbReadJournal old = PersistenceQuery.get(system)
                .getReadJournalFor(LeveldbReadJournal.class, LeveldbReadJournal.Identifier());
        JournalImport.from(system, old)
                .withTags(event -> tagsOf(event.event()))
                .withSnapshotsOf("akka.persistence.snapshot-store.local")
                .run()
                .toCompletableFuture()
                .join();
        // </import>
    }

    private static Set<String> tagsOf(Object event) {
        return Set.of(event.getClass().getSimpleName());
    }

    @Test
    void thePageShowsWhatRuns() throws IOException {
        String source = Files.readString(
                ROOT.resolve("src-test/tests/src/test/java/io/forebay/persistence/samples/PersistenceExampleTest.java"),
                UTF_8);
        String page = Files.readString(PAGE, UTF_8);
        for (String mark : List.of("actor", "query", "projection", "import")) {
            assertThat(page).contains("```java\n" + marked(source, mark) + "```\n");
        }
    }

    /** The first code block of a language. */
    private static String block(Path page, String language) throws IOException {
        Matcher matcher =
                Pattern.compile("```" + language + "\n(.*?)```", Pattern.DOTALL).matcher(Files.readString(page, UTF_8));
        assertThat(matcher.find()).as(page + " has " + language).isTrue();
        return matcher.group(1);
    }

    /** What lies between two marks, without the margin of the first one. */
    private static String marked(String source, String mark) {
        Matcher matcher = Pattern.compile("( *)// <" + mark + ">\n(.*?) *// </" + mark + ">", Pattern.DOTALL)
                .matcher(source);
        assertThat(matcher.find()).as(mark).isTrue();
        return matcher.group(2).indent(-matcher.group(1).length());
    }
}
