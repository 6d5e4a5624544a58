package io.forebay.peers.jdbc;

import akka.actor.ActorSystem;
import akka.persistence.jdbc.journal.JdbcAsyncWriteJournal;
import akka.persistence.jdbc.testkit.javadsl.SchemaUtils;
import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import io.forebay.journals.Journal;
import io.forebay.yardstick.Setup;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.h2.engine.Constants;

/**
 * {@code akka-persistence-jdbc} with its own schema, on a database in a file that H2 has open in this process. Written: H2 with its
 * default {@code WRITE_DELAY}, 500 ms, so that what is committed lies in this process' memory for so long. Flushed: {@code
 * WRITE_DELAY=0}, with which H2 writes at each commit, but forces nothing.
 *
 * <p>What is not said here is at its default. {@code bufferSize} must be larger than the number of actors that persist at a time, says
 * its manual, and the circuit breaker has the time that Forebay's has. The schema has events as BLOBs, which H2 keeps apart from
 * their rows above {@code MAX_LENGTH_INPLACE_LOB}, 256 bytes; with that the benchmark did not come to an end in its time.
 *
 * <p>Options: {@code threads}, of the pool that talks to the database, and as many connections.
 */
public final class JdbcJournal implements Journal {
    private final Map<String, String> settings = new LinkedHashMap<>();

    @Override
    public Config config(Setup setup) {
        String url = "jdbc:h2:file:" + setup.directory().resolve("journal")
                + ";DATABASE_TO_UPPER=false;MAX_LENGTH_INPLACE_LOB=4096" + (setup.isFlushed() ? ";WRITE_DELAY=0" : "");
        int threads = Integer.parseInt(setup.option("threads", "4"));
        settings.put(
                "akka-persistence-jdbc",
                JdbcAsyncWriteJournal.class.getPackage().getImplementationVersion());
        settings.put("h2", Constants.FULL_VERSION);
        settings.put("url", url.substring(url.indexOf(';')));
        settings.put("threads and connections", Integer.toString(threads));
        settings.put("bufferSize", "20000");
        settings.put("circuit-breaker.call-timeout", "60 s");
        return ConfigFactory.parseMap(Map.of("url", url, "threads", threads))
                .atPath("benchmark")
                .withFallback(ConfigFactory.parseString("""
                        akka.persistence.journal.plugin = jdbc-journal
                        jdbc-journal {
                          bufferSize = 20000
                          circuit-breaker.call-timeout = 60 s
                          slick {
                            profile = "slick.jdbc.H2Profile$"
                            db {
                              url = ${benchmark.url}
                              driver = org.h2.Driver
                              user = sa
                              password = ""
                              numThreads = ${benchmark.threads}
                              maxConnections = ${benchmark.threads}
                              minConnections = ${benchmark.threads}
                            }
                          }
                        }
                        """))
                .resolve();
    }

    @Override
    public Map<String, String> settings() {
        return settings;
    }

    @Override
    public void prepare(ActorSystem system) throws Exception {
        SchemaUtils.createIfNotExists(() -> system).toCompletableFuture().get(60, TimeUnit.SECONDS);
    }
}
