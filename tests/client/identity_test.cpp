// Who a session's manager is: whom a stranger that says to be another manager can deceive.
#include <gtest/gtest.h>

#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <string>
#include <vector>

#include <steward/client/interrupt.hpp>
#include <steward/client/private_directory.hpp>
#include <steward/client/reference.hpp>
#include <steward/core/auth_key.hpp>
#include <steward/core/errors.hpp>
#include <steward/core/handle_codec.hpp>
#include <steward/tests/client/fake_house.hpp>
#include <steward/tests/client/forked.hpp>
#include <steward/tests/client/tcp_house.hpp>
#include <steward/tests/waiting_thread.hpp>

namespace steward::detail::test {
namespace {

using namespace std::chrono_literals;

constexpr core::ObjectId kList{3};
// The socket of a manager on another host, as its handles have it.
const std::string kElsewhere = "ipc:///run/manager.sock?boot=another";

std::int64_t add(const client::SessionPtr& session, std::int64_t number) {
  return integer_of(session->call(kList, "add", arguments({encoded(number)}), {}).value());
}

class Identity : public testing::Test {
 protected:
  // The managers are gone by then.
  ~Identity() override { client::end_all_sessions(0s); }

  static core::Token handle(const core::Incarnation& incarnation,
                            std::vector<std::string> addresses) {
    core::Token token = list_token(incarnation, core::number(kList));
    token.addresses = std::move(addresses);
    return token;
  }
  static client::SessionPtr opened(const core::Token& token, const ConnectOptions& options = {}) {
    return client::session_of(client::open_token(token, options));
  }
};

TEST_F(Identity, AStrangerOverTcpIsNotTakenForThisUsersManager) {
  FakeHouse mine;
  TcpHouse stranger(mine.manager().incarnation());
  const client::SessionPtr theirs = client::connect(stranger.address());
  const client::SessionPtr session = client::connect(mine.address());
  EXPECT_NE(session, theirs);
  EXPECT_EQ(session->server_pid(), ::getpid());
  add(session, 1);
  EXPECT_EQ(mine.manager().runs("add"), 1U);
  EXPECT_EQ(stranger.manager().runs("add"), 0U);
}

TEST_F(Identity, AStrangerIsNotTakenForTheManagerOfAHandle) {
  FakeHouse mine;
  TcpHouse stranger(mine.manager().incarnation());
  client::connect(stranger.address());
  add(opened(handle(mine.manager().incarnation(), {mine.address(), stranger.address()})), 1);
  EXPECT_EQ(mine.manager().runs("add"), 1U);
  EXPECT_EQ(stranger.manager().runs("claim"), 0U);
}

TEST_F(Identity, AStrangerWithoutAKeyIsNotTakenForAManagerWithOne) {
  const std::string key = generate_key();
  TcpHouse keyed(core::random_id<core::Incarnation>(), key);
  TcpHouse stranger(keyed.manager().incarnation());
  client::connect(stranger.address());
  add(client::connect(keyed.address(), {.key = key}), 1);
  EXPECT_EQ(keyed.manager().runs("add"), 1U);
  // Nor for that of a handle, which does not say which key it is.
  add(opened(handle(keyed.manager().incarnation(), {kElsewhere, stranger.address()})), 1);
  EXPECT_EQ(keyed.manager().runs("add"), 2U);
  EXPECT_EQ(stranger.manager().runs("claim"), 0U);
}

TEST_F(Identity, AHolderOfAnotherKeyIsNotTakenForTheManager) {
  const std::string key = generate_key();
  const std::string other_key = generate_key();
  TcpHouse keyed(core::random_id<core::Incarnation>(), key);
  TcpHouse stranger(keyed.manager().incarnation(), other_key);
  const client::SessionPtr theirs = client::connect(stranger.address(), {.key = other_key});
  const client::SessionPtr session = client::connect(keyed.address(), {.key = key});
  add(session, 1);
  EXPECT_EQ(keyed.manager().runs("add"), 1U);
  const core::Token token =
      handle(keyed.manager().incarnation(), {kElsewhere, "tcp://127.0.0.1:1"});
  EXPECT_EQ(opened(token, {.key = key}), session);
  EXPECT_EQ(opened(token, {.key = other_key}), theirs);
  EXPECT_THROW(client::open_token(token), AuthenticationError) << "either may be meant";
}

TEST_F(Identity, AHandleFindsTheManagerWhoseKeyIsKnownWhereverThatWasDialled) {
  const std::string key = generate_key();
  TcpHouse keyed(core::random_id<core::Incarnation>(), key);
  const client::SessionPtr session = client::connect(keyed.address(), {.key = key});
  EXPECT_EQ(opened(handle(keyed.manager().incarnation(), {kElsewhere, "tcp://127.0.0.1:1"})),
            session);
}

TEST_F(Identity, AManagerThatIsReachedIsNotGivenByARoadThatIsClosed) {
  const std::string key = generate_key();
  const auto incarnation = core::random_id<core::Incarnation>();
  auto one = std::make_unique<TcpHouse>(incarnation, key);
  TcpHouse other(incarnation, key);
  const client::SessionPtr closed = client::connect(one->address(), {.key = key});
  one.reset();
  EXPECT_THROW(closed->call(kList, "add", arguments({encoded(1)}),
                            {.deadline = core::deadline_after(100ms)}),
               TimeoutError);
  add(client::connect(other.address(), {.key = key}), 1);
  EXPECT_EQ(other.manager().runs("add"), 1U);
}

// It may be anybody's.
TEST_F(Identity, AManagerThatProvesNothingIsFoundOnlyWhereItWasDialled) {
  TcpHouse open;
  const client::SessionPtr session = client::connect(open.address());
  const core::Incarnation& incarnation = open.manager().incarnation();
  EXPECT_EQ(opened(handle(incarnation, {"tcp://127.0.0.1:1", open.address()})), session);
  EXPECT_THROW(client::open_token(handle(incarnation, {"tcp://127.0.0.1:1"})), Disconnected);
}

TEST_F(Identity, ThisUsersManagerIsNotGivenToWhoDialsAStranger) {
  FakeHouse mine;
  const client::SessionPtr session = client::connect(mine.address());
  TcpHouse stranger(mine.manager().incarnation());
  add(client::connect(stranger.address()), 1);
  EXPECT_EQ(mine.manager().runs("add"), 0U);
  EXPECT_EQ(stranger.manager().runs("add"), 1U);
}

TEST_F(Identity, ASessionOfAForkedChildIsWithTheSameManager) {
  FakeHouse mine;
  TcpHouse stranger(mine.manager().incarnation());
  const core::ReferencePtr reference =
      client::open_token(handle(mine.manager().incarnation(), {mine.address()}));
  const client::SessionPtr theirs = client::connect(stranger.address());
  Forked child([&](int) {
    client::connect(stranger.address());
    add(client::session_of(reference), 1);
    add(theirs->in_this_process(), 1);
    return 0;
  });
  EXPECT_EQ(child.join(), 0);
  EXPECT_EQ(mine.manager().runs("add"), 1U);
  EXPECT_EQ(stranger.manager().runs("add"), 1U);
}

// One object, known by two sessions with its manager: each keeps it for what goes through it.
TEST_F(Identity, AHandleThatGoesThroughAnotherSessionIsKeptByThat) {
  FakeHouse mine;
  TcpHouse stranger(mine.manager().incarnation());
  const core::ReferencePtr reference =
      client::open_token(handle(mine.manager().incarnation(), {mine.address()}));
  client::connect(stranger.address())->codec().outgoing(*reference);
  EXPECT_EQ(stranger.manager().runs("claim"), 1U);
}

// --- what a stranger says of other managers

// A stranger that this process is connected to, and what it says.
class Deputy : public Identity {
 protected:
  Deputy() : theirs(client::connect(stranger.address())) {}

  static core::ReferencePtr said(const client::SessionPtr& by, const core::Token& token) {
    return by->codec().incoming(token);
  }
  core::Token of_mine() { return handle(mine.manager().incarnation(), {mine.address()}); }

  FakeHouse mine;
  TcpHouse stranger;
  client::SessionPtr theirs;
};

TEST_F(Deputy, AStrangersHandleGivesNothingAtThisUsersManager) {
  EXPECT_THROW(client::session_of(said(theirs, of_mine())), StaleHandle) << "dialled for it";
  const client::SessionPtr session = client::connect(mine.address());
  EXPECT_THROW(client::session_of(said(theirs, of_mine())), StaleHandle) << "known already";
  core::Token invented = of_mine();
  invented.nonce = core::random_id<core::Nonce>();
  EXPECT_THROW(client::session_of(said(theirs, invented)), StaleHandle);
  EXPECT_TRUE(mine.manager().grants().empty());
}

// Who was given it may pass it on: once, and no other object by it.
TEST_F(Deputy, AStrangersHandleWithALeaseIsGoodForItsObjectOnce) {
  core::ReferencePtr reference = client::open_token(of_mine());
  core::Token other = reference->outgoing();
  other.object = core::ObjectId{4};
  EXPECT_THROW(client::session_of(said(theirs, other)), StaleHandle);
  const core::Token leased = reference->outgoing();
  core::ReferencePtr decoded = said(theirs, leased);
  add(client::session_of(decoded), 1);
  EXPECT_EQ(mine.manager().acks().size(), 1U) << "the claim is confirmed, and the lease ends";
  add(client::session_of(decoded), 1);
  EXPECT_EQ(mine.manager().runs("add"), 2U);
  decoded.reset();
  reference.reset();
  EXPECT_THROW(client::session_of(said(theirs, leased)), StaleHandle);
}

// As by a second look at the same element of a list.
TEST_F(Deputy, AHandleThatIsReadAgainIsGoodWhileItIsInUse) {
  const core::ReferencePtr reference = client::open_token(of_mine());
  const core::Token leased = reference->outgoing();
  const core::ReferencePtr decoded = said(theirs, leased);
  add(client::session_of(decoded), 1);
  add(client::session_of(said(theirs, leased)), 1);
  EXPECT_EQ(mine.manager().runs("add"), 2U);
  core::Token other = leased;
  other.object = core::ObjectId{4};
  EXPECT_THROW(client::session_of(said(theirs, other)), StaleHandle);
}

TEST_F(Deputy, AHandleThatIsReadAgainIsAskedForByWhoHasComeSince) {
  const core::Token leased = client::open_token(of_mine())->outgoing();
  const core::ReferencePtr decoded = said(theirs, leased);
  client::session_of(decoded);
  const client::SessionPtr again =
      client::connect(stranger.address(), {.allow = [](std::string_view) { return false; }});
  EXPECT_THROW(client::session_of(said(again, leased)), Disconnected);
}

TEST_F(Deputy, AHandleThatIsReadAgainIsGoodWhoeverHasComeOrGoneSince) {
  const core::Token leased = client::open_token(of_mine())->outgoing();
  const core::ReferencePtr decoded = said(theirs, leased);
  client::session_of(decoded);
  client::SessionPtr again =
      client::connect(stranger.address(), {.allow = [](std::string_view) { return true; }});
  {
    const core::ReferencePtr second = said(again, leased);
    add(client::session_of(second), 1);
  }
  again.reset();
  add(client::session_of(said(theirs, leased)), 1);
  EXPECT_EQ(mine.manager().runs("add"), 2U);
}

TEST_F(Deputy, AHandleIsGoodAfterAUseThatEndedBeforeItsManagerAnswered) {
  const core::ReferencePtr decoded = said(theirs, client::open_token(of_mine())->outgoing());
  mine.manager().swallow_replies(true);
  EXPECT_THROW(client::session_of(decoded, core::deadline_after(50ms)), TimeoutError);
  EXPECT_EQ(mine.manager().runs("claim"), 2U);
  mine.manager().swallow_replies(false);
  // By now this process has given back what the late answer brought.
  client::connect(mine.address())->call(kList, "echo", arguments({encoded(1)}), {});
  add(client::session_of(decoded), 1);
  EXPECT_EQ(mine.manager().runs("add"), 1U);
}

TEST_F(Deputy, WhoHasNoTimeLeftAsksNobodyForAHandle) {
  int asked = 0;
  theirs = client::connect(stranger.address(), {.allow = [&](std::string_view) {
                             ++asked;
                             return true;
                           }});
  const core::ReferencePtr decoded = said(theirs, client::open_token(of_mine())->outgoing());
  EXPECT_THROW(client::session_of(decoded, std::chrono::steady_clock::now()), TimeoutError);
  EXPECT_EQ(mine.manager().runs("claim"), 1U) << "that of the program's own";
  EXPECT_EQ(asked, 0);
  client::session_of(decoded);
  client::session_of(decoded, std::chrono::steady_clock::now());
}

// While the claim that waits is answered, another one is made for the same handle.
TEST_F(Deputy, AnInterruptCheckMayUseTheHandleThatIsWaitedFor) {
  static core::ReferencePtr decoded;
  static FakeManager* manager;
  static std::atomic<int> used;
  manager = &mine.manager();
  used = 0;
  decoded = said(theirs, client::open_token(of_mine())->outgoing());
  mine.manager().swallow_replies(true);
  set_interrupt_check([] {
    if (manager->runs("claim") < 2 || used++ > 0) return false;
    manager->swallow_replies(false);
    add(client::session_of(decoded), 1);
    return true;
  });
  EXPECT_THROW(client::session_of(decoded), Interrupted);
  set_interrupt_check(nullptr);
  EXPECT_EQ(used, 1);
  add(client::session_of(decoded), 1);
  EXPECT_EQ(mine.manager().runs("add"), 2U);
  decoded.reset();
}

TEST_F(Deputy, ThreadsClaimAHandleOnce) {
  const core::ReferencePtr reference = client::open_token(of_mine());
  std::promise<void> asked;
  std::promise<void> answer;
  std::atomic<int> questions = 0;
  const auto allow = [&](std::string_view) {
    if (questions++ > 0) return true;
    asked.set_value();
    answer.get_future().wait();
    return true;
  };
  theirs = client::connect(stranger.address(), {.allow = allow});
  const core::ReferencePtr decoded = said(theirs, reference->outgoing());
  WaitingThread first([&] { add(client::session_of(decoded), 1); });
  ASSERT_EQ(asked.get_future().wait_for(10s), std::future_status::ready);
  WaitingThread second([&] { add(client::session_of(decoded), 1); });
  EXPECT_TRUE(second.falls_asleep());
  answer.set_value();
  first.join();
  second.join();
  EXPECT_EQ(questions, 1);
  EXPECT_EQ(mine.manager().runs("add"), 2U);
}

TEST_F(Deputy, AHandleOfAManagerOfThisUserNeedsNoLease) {
  FakeHouse other;
  const client::SessionPtr session = client::connect(other.address());
  add(client::session_of(said(session, of_mine())), 1);
  EXPECT_EQ(mine.manager().runs("add"), 1U);
}

TEST_F(Deputy, AHandleOfAHolderOfTheSameKeyNeedsNoLease) {
  const std::string key = generate_key();
  TcpHouse keyed(core::random_id<core::Incarnation>(), key);
  TcpHouse colleague(core::random_id<core::Incarnation>(), key);
  const client::SessionPtr session = client::connect(colleague.address(), {.key = key});
  const core::Token token = handle(keyed.manager().incarnation(), {keyed.address()});
  add(client::session_of(said(session, token)), 1);
  EXPECT_EQ(keyed.manager().runs("add"), 1U);
  EXPECT_THROW(client::session_of(said(session, of_mine())), StaleHandle) << "this user's is more";
}

TEST_F(Deputy, AHandleOfAHolderOfAnotherKeyNeedsALease) {
  const std::string key = generate_key();
  TcpHouse keyed(core::random_id<core::Incarnation>(), key);
  const client::SessionPtr session = client::connect(keyed.address(), {.key = key});
  const std::string other_key = generate_key();
  TcpHouse other(core::random_id<core::Incarnation>(), other_key);
  const client::SessionPtr others = client::connect(other.address(), {.key = other_key});
  const core::Token token = handle(keyed.manager().incarnation(), {kElsewhere, keyed.address()});
  EXPECT_THROW(client::session_of(said(others, token)), StaleHandle);
  EXPECT_TRUE(keyed.manager().grants().empty());
}

TEST_F(Deputy, AHandleIsAskedForAlsoWhereItsManagerIsConnected) {
  const client::SessionPtr session = client::connect(mine.address());
  std::vector<std::string> asked;
  bool allowed = false;
  theirs = client::connect(stranger.address(), {.allow = [&](std::string_view address) {
                             asked.emplace_back(address);
                             return allowed;
                           }});
  const core::ReferencePtr decoded =
      said(theirs, client::open_token(of_mine())->outgoing());
  EXPECT_THROW(client::session_of(decoded), Disconnected);
  EXPECT_EQ(asked, std::vector{mine.address()});
  allowed = true;
  add(client::session_of(decoded), 1);
}

// What is asked for is an address, and what is dialled is what was asked for.
TEST_F(Deputy, NamesInHandlesAreNotDialled) {
  std::vector<std::string> asked;
  theirs = client::connect(stranger.address(), {.allow = [&](std::string_view address) {
                             asked.emplace_back(address);
                             return true;
                           }});
  const core::Token token = handle(core::random_id<core::Incarnation>(),
                                   {"production", "ipc:///nowhere/manager.sock?boot=another"});
  EXPECT_THROW(client::session_of(said(theirs, token)), Disconnected);
  EXPECT_EQ(asked, std::vector<std::string>{"ipc:///nowhere/manager.sock"});
}

// The address is what it was dialled by; others would be dialled by whoever gets its handles.
TEST_F(Deputy, AStrangerIsWhereItWasDialledOnly) {
  TcpHouse liar(mine.manager().incarnation());
  liar.manager().tell_addresses({mine.address(), "tcp://127.0.0.1:1"});
  EXPECT_EQ(client::connect(liar.address())->addresses(), std::vector{liar.address()});
}

// A program's own handle, of an object that a stranger gave it.
TEST_F(Deputy, AHandleThatNamesNoSocketIsNotOfThisUsersManager) {
  TcpHouse liar(mine.manager().incarnation());
  const client::SessionPtr session = client::connect(mine.address());
  add(opened(handle(mine.manager().incarnation(), {liar.address()})), 1);
  EXPECT_EQ(liar.manager().runs("add"), 1U);
  EXPECT_TRUE(mine.manager().grants().empty());
}

TEST_F(Deputy, AStrangersObjectIsNoArgumentOfThisUsersManager) {
  TcpHouse liar(mine.manager().incarnation());
  const client::SessionPtr session = client::connect(mine.address());
  const core::ReferencePtr theirs_not_mine = client::connect(liar.address())->claim(of_mine());
  EXPECT_THROW(session->codec().outgoing(*theirs_not_mine), StaleHandle);
  EXPECT_TRUE(mine.manager().grants().empty());
}

// To whoever gets it from this program it would be the program's own word.
TEST_F(Deputy, AStrangersHandleIsClaimedBeforeItIsPassedOn) {
  EXPECT_THROW(said(theirs, of_mine())->outgoing(), StaleHandle);
  const core::Token leased = client::open_token(of_mine())->outgoing();
  EXPECT_NE(said(theirs, leased)->outgoing().nonce, leased.nonce);
  EXPECT_EQ(mine.manager().runs("claim"), 2U);
}

TEST_F(Deputy, AForkedChildDialsWhereItsParentDid) {
  const std::string key = generate_key();
  TcpHouse trap(core::random_id<core::Incarnation>(), key);
  auto keyed = std::make_unique<TcpHouse>(trap.manager().incarnation(), key);
  keyed->manager().tell_addresses({trap.address()});
  const client::SessionPtr session = client::connect(keyed->address(), {.key = key});
  keyed.reset();
  Forked child([&](int) {
    try {
      session->in_this_process();
    } catch (const Disconnected&) {
      return 0;
    }
    return 1;
  });
  EXPECT_EQ(child.join(), 0);
  EXPECT_EQ(trap.manager().hellos().size(), 0U);
}

// --- over ipc

class Directory : public Identity {
 protected:
  Directory() {
    std::string pattern = std::filesystem::temp_directory_path() / "steward-others-XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) std::abort();
    path = pattern;
  }
  ~Directory() override { std::filesystem::remove_all(path); }

  std::string path;
};

// The control socket proves whose manager it is. A socket beside a link to it may be anybody's.
TEST_F(Directory, OnlyTheSocketThatTheManagerTellsOfIsItsOwn) {
  FakeHouse mine;
  const std::string beside = "ipc://" + path + "/manager.sock";
  TcpHouse stranger(mine.manager().incarnation(), {}, beside);
  std::filesystem::create_symlink(mine.directory() + "/door", path + "/door");
  for (const client::SessionPtr& session :
       {client::connect(beside), opened(handle(mine.manager().incarnation(), {beside}))}) {
    add(session, 1);
  }
  EXPECT_EQ(mine.manager().runs("add"), 2U);
  EXPECT_EQ(stranger.manager().hellos().size(), 0U);
}

TEST_F(Directory, AnotherUsersSocketsBesideALinkGetNothing) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can be another user";
  constexpr uid_t kOther = 1234;
  std::filesystem::permissions(path, std::filesystem::perms::all);
  const std::string place = path + "/theirs";
  FakeHouse mine;
  Forked thief([&](int out) {
    if (::setgid(kOther) != 0 || ::setuid(kOther) != 0) return 1;
    ::mkdir(place.c_str(), 0755);
    std::filesystem::create_symlink(mine.directory() + "/door", place + "/door");
    TcpHouse house(mine.manager().incarnation(), {}, "ipc://" + place + "/manager.sock");
    ::chmod((place + "/manager.sock").c_str(), 0777);
    if (::write(out, "\n", 1) != 1) return 1;
    house.manager().wait_until([](const FakeManager& seen) { return !seen.hellos().empty(); });
    return ::write(out, "hello\n", 6) == 6 ? 0 : 1;
  });
  thief.line();
  const std::string address = "ipc://" + place + "/manager.sock";
  add(client::connect(address), 1);
  add(opened(handle(mine.manager().incarnation(), {address})), 1);
  EXPECT_EQ(mine.manager().runs("add"), 2U);
  thief.kill();
  EXPECT_EQ(thief.line(), "") << "it was spoken to";
}

TEST_F(Directory, ASocketWhereOthersMayPutOneIsNotDialled) {
  FakeHouse mine;
  std::filesystem::permissions(mine.directory(), std::filesystem::perms::group_read,
                               std::filesystem::perm_options::add);
  try {
    client::connect(mine.address());
    FAIL() << "connected";
  } catch (const AuthenticationError& error) {
    EXPECT_NE(std::string(error.what()).find("which is open to others"), std::string::npos)
        << error.what();
  }
}

TEST_F(Directory, OnlyOneOfThisUserAloneWillDo) {
  bool there = false;
  EXPECT_EQ(client::objection_to_directory(path, there), "");
  EXPECT_TRUE(there);
  std::filesystem::create_directory_symlink(path, path + "/link");
  EXPECT_EQ(client::objection_to_directory(path + "/link", there), "is no directory");
  EXPECT_EQ(client::objection_to_directory(path + "/none", there), "");
  EXPECT_FALSE(there);
  EXPECT_NE(client::objection_to_directory("/tmp", there), "");
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give a directory away";
  ASSERT_EQ(::chown(path.c_str(), 1234, 1234), 0);
  EXPECT_EQ(client::objection_to_directory(path, there), "belongs to user 1234");
}

}  // namespace
}  // namespace steward::detail::test
