// Clients that die: what was theirs goes back, in an order that whoever has seen the death can rely
// on.
#include <unistd.h>

#include <steward/process/launch.hpp>
#include <steward/tests/server/loop/launched.hpp>
#include <steward/tests/server/loop/loop_test.hpp>
#include <steward/tests/server/loop/scripted.hpp>

namespace steward::detail::test {
namespace {

using core::kManagerObject;

// A process that holds the lock "l", keeps a list of its own, and waits in the queue "q".
void holder(process::ChildContext& context, std::string_view address) {
  BareClient client = BareClient::come_in(std::string(address), poll_briefly);
  client.hello();
  client.get(client.create("lock", "l"), "lock");
  client.create("list");
  client.post(client.create("queue", "q"), "get", arguments());
  client.get(kManagerObject, "number_of_objects");  // the call before it has arrived
  context.confirm();
  until_killed(context);
}

// A peer at the control socket; its ticket is in the confirmation, for somebody else to speak for
// it.
void peer(process::ChildContext& context, std::string_view directory) {
  const shm::UniqueFd control = connect_control_socket(std::string(directory));
  send_connect_request(control);
  auto received = shm::receive_with_fds(control.get(), 4096);
  core::Reader reader(received.message->bytes);
  reader.array();
  reader.natural();
  context.confirm(reader.bytes());
  until_killed(context);
}

// Holds the lock "l", and has begun. Then it says far more than 64 frames, and ends when the kernel
// has them all.
constexpr int kLastWords = 900;
void talker(process::ChildContext& context, std::string_view address) {
  BareClient client = BareClient::come_in(std::string(address), poll_briefly);
  client.hello();
  const core::ObjectId lock = client.create("lock", "l");
  const core::ObjectId list = client.create("list", "x");
  client.get(lock, "lock");
  context.confirm();
  for (int i = 0; i < kLastWords; ++i) client.post(list, "append", arguments(Value(i)));
  client.post(lock, "unlock", arguments());
  dynamic_cast<ZmqWire&>(client.wire()).flush();
}

class Death : public LoopTest {
 protected:
  process::Child launch(process::Entry entry, std::string arguments) {
    return launch_beside(pump(), entry, std::move(arguments));
  }
};

TEST_F(Death, GivesBackLocksReferencesAndWaits) {
  process::prepare(process::For::process);
  start();
  BareClient other = client();
  const core::ObjectId lock = other.create("lock", "l");
  const core::ObjectId queue = other.create("queue", "q");
  const process::Child child = launch(holder, address());
  EXPECT_TRUE(other.get(lock, "locked").boolean());
  EXPECT_EQ(server->core().number_of_objects(), 3U);
  EXPECT_EQ(server->core().number_parked(), 1U);
  const core::Seq waiting = other.post(lock, "lock", arguments());
  ASSERT_TRUE(eventually([&] { return server->core().number_parked() == 2; }));

  kill_and_wait(child);
  const Value::List grant = other.answer(waiting).result.list();
  EXPECT_TRUE(grant[1].boolean()) << "the owner before died";
  EXPECT_EQ(server->core().number_of_objects(), 2U);
  EXPECT_EQ(server->core().number_parked(), 0U);
  EXPECT_EQ(server->core().number_of_sessions(), 1U);
  other.get(queue, "put", Value(1));
  EXPECT_EQ(other.get(queue, "size").integer(), 1) << "no dead client takes an item";
}

// The process is gone, its pidfd says so, and so whoever asks next finds its lock free: however the
// server's loop was doing.
TEST_F(Death, WhoeverHasSeenItFindsItDone) {
  process::prepare(process::For::process);
  start();
  BareClient other = client();
  const core::ObjectId lock = other.create("lock", "l");
  for (int i = 0; i < 20; ++i) {
    const process::Child child = launch(holder, address());
    kill_and_wait(child);
    ASSERT_EQ(other.get(lock, "try_lock").list().size(), 1U) << "round " << i;
    other.get(lock, "unlock");
  }
}

// One batch with everything in it: the dead one's own requests come first, then its death, then the
// requests of others, also of those whose frames came before.
TEST_F(Death, ComesAfterItsOwnRequestsAndBeforeThoseOfOthers) {
  process::prepare(process::For::process);
  auto network = server::LocalNetwork::make(false);
  auto with_control = std::make_unique<server::Directory>();
  const std::string place = with_control->path();
  server = std::make_unique<server::Server>(std::move(with_control), network->listen(),
                                            server::builtin_classes());
  const auto connect = [&](std::string ticket) {
    BareClient client(std::make_unique<LocalWire>(*network), pump());
    client.entrance.ticket = std::move(ticket);
    client.hello();
    return client;
  };
  const process::Child mortal_process = launch(peer, place);
  const process::Child other_process = launch(peer, place);
  BareClient mortal = connect(mortal_process.confirmation());
  BareClient other = connect(other_process.confirmation());
  const core::ObjectId list = mortal.create("list", "x");
  const core::ObjectId lock = mortal.create("lock", "l");
  other.create("list", "x");
  other.create("lock", "l");

  const core::Seq size = other.post(list, "size", arguments());
  const core::Seq grab = other.post(lock, "try_lock", arguments());
  mortal.post(list, "append", arguments(Value(1)));
  mortal.post(lock, "lock", arguments());
  kill_and_wait(mortal_process);
  server->step(0ms);
  EXPECT_EQ(other.answer(size).result.integer(), 1);
  const Value grabbed = other.answer(grab).result;
  ASSERT_EQ(grabbed.list().size(), 1U);
  EXPECT_TRUE(grabbed.list()[0].list()[1].boolean()) << "it was locked, and its owner died";
  EXPECT_EQ(server->core().number_of_sessions(), 1U);
}

// However many frames of others came before.
TEST_F(Death, ComesAfterAllOfItsOwnRequests) {
  process::prepare(process::For::process);
  auto network = server::LocalNetwork::make(false);
  auto with_control = std::make_unique<server::Directory>();
  const std::string place = with_control->path();
  server = std::make_unique<server::Server>(std::move(with_control), network->listen(),
                                            server::builtin_classes());
  const auto connect = [&](std::string ticket) {
    BareClient client(std::make_unique<LocalWire>(*network), pump());
    client.entrance.ticket = std::move(ticket);
    client.hello();
    return client;
  };
  const process::Child mortal_process = launch(peer, place);
  const process::Child other_process = launch(peer, place);
  BareClient mortal = connect(mortal_process.confirmation());
  BareClient other = connect(other_process.confirmation());
  const core::ObjectId lock = mortal.create("lock", "l");
  const core::ObjectId list = other.create("list");
  other.create("lock", "l");
  mortal.get(lock, "lock");

  for (int i = 0; i < 1'000; ++i) other.post(list, "append", arguments(i));
  mortal.post(lock, "unlock", arguments());
  kill_and_wait(mortal_process);
  ASSERT_TRUE(eventually([&] { return server->core().number_of_sessions() == 1; }));
  const Value grabbed = other.get(lock, "try_lock");
  ASSERT_EQ(grabbed.list().size(), 1U);
  EXPECT_FALSE(grabbed.list()[0].list()[1].boolean()) << "it had been unlocked";
  EXPECT_EQ(other.get(list, "size").integer(), 1'000);
}

// Much of it is still with the kernel when the process has ended.
TEST_F(Death, ComesAfterAllThatTheKernelHasOfIt) {
  process::prepare(process::For::process);
  start();
  BareClient other = client();
  const core::ObjectId lock = other.create("lock", "l");
  const core::ObjectId list = other.create("list", "x");
  const process::Child child = launch(talker, address());
  ASSERT_TRUE(child.wait(core::deadline_after(kPatience)));
  ASSERT_TRUE(eventually([&] { return server->core().number_of_sessions() == 1; }));
  const Value grabbed = other.get(lock, "try_lock");
  ASSERT_EQ(grabbed.list().size(), 1U);
  EXPECT_FALSE(grabbed.list()[0].list()[1].boolean()) << "it had been unlocked";
  EXPECT_EQ(other.get(list, "size").integer(), kLastWords);
}

// A process that holds the lock "l", at a scripted connection.
class ScriptedDeath : public ScriptedTest {
 protected:
  void SetUp() override {
    process::prepare(process::For::process);
    start();
    child = launch_beside([this] { step(); }, peer, directory);
    mortal.emplace(connect("mortal", server::Peer::local, child.confirmation()));
    other.emplace(connect("other"));
    lock = mortal->create("lock", "l");
    list = other->create("list", "x");
    mortal->create("list", "x");
    other->create("lock", "l");
    mortal->get(lock, "lock");
    rest();
  }
  bool died_with_the_lock() {
    const Value grabbed = other->get(lock, "try_lock");
    return grabbed.list().at(0).list().at(1).boolean();
  }

  process::Child child;
  std::optional<BareClient> mortal;
  std::optional<BareClient> other;
  core::ObjectId lock{};
  core::ObjectId list{};
};

TEST_F(ScriptedDeath, ComesAfterItsRequestsAlthoughAnEarlierReplyFoundNobody) {
  mortal->post(list, "size", arguments());
  mortal->post(list, "append", arguments(1));
  mortal->post(lock, "unlock", arguments());
  script.send = [](const std::string& route) {
    return route == "mortal" ? server::Sent::gone : server::Sent::sent;
  };
  step();
  ASSERT_EQ(script.arrivals.size(), 1U) << "the last is to be served in another pass";
  kill_and_wait(child);
  rest();
  EXPECT_EQ(server->core().number_of_sessions(), 1U);
  EXPECT_EQ(other->get(list, "size").integer(), 1);
  EXPECT_FALSE(died_with_the_lock());
}

TEST_F(ScriptedDeath, IsAppliedInThePassThatServesTheLastOfItsRequests) {
  mortal->post(list, "append", arguments(1));
  mortal->post(list, "append", arguments(2));
  kill_and_wait(child);
  tick = 60ms;  // past what the dead may keep the others waiting for, after the first of them
  step();
  EXPECT_EQ(server->core().number_of_sessions(), 1U);
  tick = {};
  EXPECT_EQ(other->get(list, "size").integer(), 2);
}

TEST_F(ScriptedDeath, ComesAfterWhatTheListenerReadsWhileItIsAwaited) {
  int asked = 0;
  script.has_ended = [&](const std::string& route) {
    EXPECT_EQ(route, "mortal");
    if (++asked == 2) mortal->post(lock, "unlock", arguments());
    return asked > 2;
  };
  kill_and_wait(child);
  const core::Seq grab = other->post(lock, "try_lock", arguments());
  step();
  EXPECT_EQ(asked, 3);
  EXPECT_EQ(server->core().number_of_sessions(), 1U);
  EXPECT_FALSE(other->answer(grab).result.list().at(0).list().at(1).boolean());
}

TEST_F(ScriptedDeath, WhoseConnectionDoesNotEndHoldsOthersUpForATenthOfASecond) {
  script.has_ended = [&](const std::string&) { return false; };
  kill_and_wait(child);
  const core::Seq grab = other->post(lock, "try_lock", arguments());
  const core::Time before = time;
  tick = 1ms;
  step();
  EXPECT_GE(time - before, 100ms);
  EXPECT_LE(time - before, 150ms);
  tick = {};
  EXPECT_EQ(server->core().number_of_sessions(), 1U);
  EXPECT_TRUE(other->answer(grab).result.list().at(0).list().at(1).boolean());
}

// Death is a matter of processes: a forked child that keeps the control socket open hides nothing.
TEST_F(Death, IsSeenAlthoughSomebodyElseKeepsTheControlSocketOpen) {
  process::prepare(process::For::process);
  start();
  const process::Child child = launch(peer, directory());
  BareClient client(std::make_unique<ZmqWire>(address()), pump());
  client.entrance.ticket = child.confirmation();
  client.hello();
  client.create("list");
  kill_and_wait(child);
  EXPECT_TRUE(eventually([&] { return server->core().number_of_sessions() == 0; }));
  EXPECT_EQ(server->core().number_of_objects(), 0U);
}

}  // namespace
}  // namespace steward::detail::test
