package io.forebay.persistence.samples;

import akka.japi.function.Function;
import akka.projection.jdbc.JdbcSession;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Map;
import java.util.TreeMap;

/** Where the projections write what they make of events, together with how far they are. Outlives the application. */
final class CartDatabase implements AutoCloseable {
    private static final String URL = "jdbc:h2:mem:carts;LOCK_TIMEOUT=10000";

    /** One transaction. */
    static final class Session implements JdbcSession {
        private final Connection connection = open();

        @Override
        public <R> R withConnection(Function<Connection, R> work) throws Exception {
            return work.apply(connection);
        }

        @Override
        public void commit() throws SQLException {
            connection.commit();
        }

        @Override
        public void rollback() throws SQLException {
            connection.rollback();
        }

        @Override
        public void close() throws SQLException {
            connection.close();
        }

        /** The event counts. Fails if it did before. */
        void add(String item, long quantity, String persistenceId, long sequenceNr) throws SQLException {
            execute(
                    connection,
                    "insert into handled_once (persistence_id, sequence_nr) values (?, ?)",
                    persistenceId,
                    sequenceNr);
            // Of two that are the first the later one fails, and is tried again.
            String update = "update popularity set quantity = quantity + ? where item = ?";
            if (execute(connection, update, quantity, item) == 0) {
                execute(connection, "insert into popularity (quantity, item) values (?, ?)", quantity, item);
            }
        }

        /** The event was seen, perhaps not for the first time. */
        void see(String persistenceId, long sequenceNr) throws SQLException {
            execute(
                    connection,
                    "merge into seen (persistence_id, sequence_nr) key (persistence_id, sequence_nr) values (?, ?)",
                    persistenceId,
                    sequenceNr);
        }
    }

    private final Connection connection = open();

    CartDatabase() throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.execute("create table popularity (item varchar(50) primary key, quantity bigint not null)");
            for (String table : new String[] {"handled_once", "seen"}) {
                statement.execute("create table " + table + " (persistence_id varchar(100), sequence_nr bigint,"
                        + " primary key (persistence_id, sequence_nr))");
            }
        }
        connection.commit();
    }

    /** Akka's table is made for offsets by tag; those by slices name a serializer, and the events of their millisecond. */
    static void widenOffsets() {
        try (Connection connection = open();
                Statement statement = connection.createStatement()) {
            for (String column : new String[] {"manifest", "current_offset"}) {
                statement.execute("alter table \"akka_projection_offset_store\" alter column \"" + column
                        + "\" varchar(100000) not null");
            }
        } catch (SQLException e) {
            throw new IllegalStateException(e);
        }
    }

    private static Connection open() {
        try {
            Connection opened = DriverManager.getConnection(URL);
            opened.setAutoCommit(false);
            return opened;
        } catch (SQLException e) {
            throw new IllegalStateException(e);
        }
    }

    private static int execute(Connection on, String sql, Object... values) throws SQLException {
        try (PreparedStatement statement = on.prepareStatement(sql)) {
            for (int i = 0; i < values.length; i++) {
                statement.setObject(i + 1, values[i]);
            }
            return statement.executeUpdate();
        }
    }

    Map<String, Long> popularity() throws SQLException {
        return numbers("select item, quantity from popularity");
    }

    /** How many events of each id one kind of projection has dealt with, the numbers of which begin at 1 and have no gap. */
    Map<String, Long> events(String table) throws SQLException {
        return numbers("select persistence_id, count(*) from " + table
                + " group by persistence_id having max(sequence_nr) = count(*)");
    }

    private Map<String, Long> numbers(String query) throws SQLException {
        Map<String, Long> numbers = new TreeMap<>();
        try (Statement statement = connection.createStatement();
                ResultSet rows = statement.executeQuery(query)) {
            while (rows.next()) {
                numbers.put(rows.getString(1), rows.getLong(2));
            }
        }
        connection.commit();
        return numbers;
    }

    @Override
    public void close() throws SQLException {
        connection.close();
    }
}
