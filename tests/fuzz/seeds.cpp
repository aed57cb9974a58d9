// Writes the inputs that fuzzing begins with: one valid envelope of each kind, values of each kind,
// scripts that walk through every method of every class, and scripts for a queue in shared memory.
//
//   fuzz_seeds DIRECTORY         makes DIRECTORY/envelope, /value, /core and /ring
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include <steward/core/codec.hpp>
#include <steward/core/wire.hpp>
#include <steward/manager/server/class.hpp>
#include <steward/shm/queue_words.hpp>
#include <steward/tests/fuzz/core_script.hpp>
#include <steward/tests/fuzz/require.hpp>

namespace steward::fuzz {
namespace {

class Folder {
 public:
  explicit Folder(std::filesystem::path path) : path_(std::move(path)) {
    std::filesystem::create_directories(path_);
  }
  void add(std::string_view bytes) {
    char name[16];
    std::snprintf(name, sizeof name, "seed%03d", ++count_);
    std::ofstream(path_ / name, std::ios::binary) << bytes;
  }

 private:
  std::filesystem::path path_;
  int count_ = 0;
};

detail::core::Token handle(std::string type) {
  detail::core::Token token;
  token.incarnation.bytes.fill(7);
  token.object = detail::core::ObjectId{3};
  token.type = std::move(type);
  token.addresses = {"ipc:///run/steward/manager.sock?boot=1", "tcp://host:5000"};
  token.nonce.emplace();
  token.nonce->bytes.fill(9);
  return token;
}

std::string packed(const Value& value) {
  PlainHandleCodec codec;
  const detail::core::HandleCodecScope scope(codec);
  return detail::core::packed(value);
}

std::vector<Value> values() {
  const Value proxy =
      Value::of_reference(std::make_shared<const detail::core::Reference>(handle("list")));
  Value nested = 1;
  for (int i = 0; i < 60; ++i) nested = Value::List{nested};
  return {nullptr, false, true, 0, -1, 127, -33, 70'000, std::numeric_limits<std::int64_t>::min(),
          std::numeric_limits<std::uint64_t>::max(), 0.0, -0.0, 1.5, 0x1p63, 1e300,
          std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity(),
          "", "text\n\"\\", std::string(40, 'x'), std::string(300, 'y'), "caf\xc3\xa9\xff",
          Value::of_bytes("bytes"), proxy, nested, Value::List{},
          Value::List{1, 1.0, 1.5, "1", Value::of_bytes("1"), nullptr, true, proxy},
          Value::of_map({}), Value::of_map({{"a", 1}, {"b", Value::List{2, 3}}, {1, "one"}}),
          Value::List{Value::of_map({{"b", 1}, {"a", 2}}), Value::of_map({{"a", 2}, {"b", 1}})}};
}

void write_values(Folder folder) {
  for (const Value& value : values()) folder.add(packed(value));
  folder.add(detail::core::token_text(handle("queue")));
  folder.add(detail::core::packed(std::vector<std::uint32_t>{1, 2, 70'000}));
  folder.add(packed(Value::List{5, "name", Value::List{"a", "b"}}));
  folder.add("\xca\x3f\xc0\x00\x01");
  folder.add(std::string(80, '\x91') + "\x01");
  folder.add("\x82\x01\x02\xcb\x3f\xf0\x00\x00\x00\x00\x00\x01\x03");
}

void write_envelopes(Folder folder) {
  detail::core::SessionId session;
  session.bytes.fill(0x11);
  detail::core::Hello hello;
  hello.ticket.assign(16, 't');
  hello.nonce.assign(16, 'n');
  folder.add(detail::core::encode(hello));
  hello.session = session;
  hello.proof.assign(32, 'p');
  hello.incomplete = {5, 300, 70'000};
  folder.add(detail::core::encode(hello));
  detail::core::Welcome welcome;
  welcome.session = session;
  welcome.secret.assign(32, 's');
  folder.add(detail::core::encode(welcome));

  std::vector<std::string> calls;
  std::vector<std::string> replies;
  detail::core::Seq seq = 0;
  for (const Value& value : values()) {
    const std::string args = "\x91" + packed(value);
    const bool named = ++seq % 2 == 0;
    const detail::core::MethodKey method = named
                                               ? detail::core::MethodKey(std::string_view("append"))
                                               : detail::core::MethodKey(std::uint32_t{3});
    const auto wait = seq % 3 == 0 ? std::optional<std::uint64_t>(250) : std::nullopt;
    detail::core::append_call(calls.emplace_back(),
                      {seq, 1, wait, detail::core::ObjectId{17}, method, args, seq % 4 == 0});
    detail::core::append_reply(replies.emplace_back(), {seq, detail::core::ErrorCode::ok, args});
    folder.add(detail::core::encode_calls(seq, {calls.back()}));
    folder.add(detail::core::encode_replies({replies.back()}));
  }
  folder.add(detail::core::encode_calls(1, {calls.begin(), calls.begin() + 8}));
  detail::core::append_error(replies.emplace_back(), 6, detail::core::ErrorCode::remote, "text",
                             "range_error");
  folder.add(detail::core::encode_replies({replies[0], replies[1], replies.back()}));
  folder.add(detail::core::encode_seqs(detail::core::Envelope::ack, {1, 2, 300}));
  folder.add(detail::core::encode_seqs(detail::core::Envelope::cancel, {}));
  folder.add(detail::core::encode_renew());
  folder.add(detail::core::encode_bye());
  folder.add(detail::core::encode_unknown_connection(std::string(16, 'c')));
  folder.add(detail::core::encode_unknown_session("the reason"));
}

// Says in bytes what fuzz_core reads.
class Scene {
 public:
  Scene& op(Op op, std::initializer_list<int> bytes = {}) {
    put(static_cast<int>(op));
    for (const int byte : bytes) put(byte);
    return *this;
  }
  Scene& open() { return op(Op::open); }
  // name 15: none.
  Scene& create(int session, std::size_t type, int name, std::string_view arguments) {
    op(Op::create, {session, static_cast<int>(type), name});
    bytes_ += arguments;
    return *this;
  }
  // One call of a method by its place in the table.
  Scene& call(int session, int object, std::size_t method, std::string_view arguments,
              int wait = 255, int thread = 0) {
    op(Op::calls, {session, 2, 0, 1, thread, wait, object, static_cast<int>(method), 1});
    bytes_ += arguments;
    return *this;
  }
  Scene& frame(int session, std::string_view frame) {
    op(Op::raw, {session, static_cast<int>(frame.size() >> 8U), static_cast<int>(frame.size())});
    bytes_ += frame;
    return *this;
  }
  const std::string& bytes() const { return bytes_; }

 private:
  void put(int byte) { bytes_.push_back(static_cast<char>(byte)); }

  std::string bytes_;
};

std::string said(std::initializer_list<std::initializer_list<int>> arguments) {
  std::string bytes(1, static_cast<char>(arguments.size()));
  for (const auto& argument : arguments) {
    for (const int byte : argument) bytes.push_back(static_cast<char>(byte));
  }
  return bytes;
}

int a(Arg kind) { return static_cast<int>(kind); }

// Lists of arguments that fit one method or another.
std::vector<std::string> argument_lists() {
  const std::initializer_list<int> zero{a(Arg::small), 0};
  const std::initializer_list<int> two{a(Arg::small), 2};
  const std::initializer_list<int> last{a(Arg::small), 255};
  const std::initializer_list<int> key{a(Arg::key), 1};
  const std::initializer_list<int> other{a(Arg::key), 2};
  const std::initializer_list<int> list{a(Arg::list), 2, a(Arg::small), 5, a(Arg::key), 1};
  const std::initializer_list<int> none{a(Arg::list), 0};
  const std::initializer_list<int> pairs{a(Arg::pairs),     2, a(Arg::key), 1, a(Arg::small), 3,
                                         a(Arg::half), 2, a(Arg::nil)};
  const std::initializer_list<int> nil{a(Arg::nil)};
  const std::initializer_list<int> yes{a(Arg::yes)};
  const std::initializer_list<int> handle{a(Arg::handle), 1};
  return {said({}),          said({key}),         said({zero}),          said({last}),
          said({list}),      said({pairs}),       said({yes}),           said({handle}),
          said({zero, key}), said({key, two}),    said({key, list}),     said({zero, two, list}),
          said({key, two, nil, two}),             said({key, none, other}),
          said({key, two, other}),                said({nil, nil, last}), said({last, two})};
}

void write_scripts(Folder folder) {
  const detail::server::Registry registry = detail::server::builtin_classes();
  const std::vector<std::string> lists = argument_lists();
  for (std::size_t type = 0; type < registry.classes().size(); ++type) {
    const std::size_t methods = registry.classes()[type]->methods.size();
    for (const std::string& arguments : lists) {
      Scene scene;
      scene.open().open().create(0, type, 0, said({})).create(1, type, 0, said({}));
      for (std::size_t method = 0; method < methods; ++method) {
        scene.call(static_cast<int>(method % 2), 1, method, arguments, method % 3 == 0 ? 20 : 255);
        if (method % 4 == 3) scene.op(Op::ack, {0, 2, 1, 2}).op(Op::pass, {12});
      }
      folder.add(scene.op(Op::compare).op(Op::cancel, {1, 1, 3}).op(Op::end, {0, 0}).bytes());
    }
  }
  // Queue: full and empty, in flight, given back, cancelled, closed.
  Scene queue;
  queue.open().open().open().create(0, 2, 0, said({{a(Arg::small), 1}}));
  queue.call(0, 1, 2, said({})).call(1, 1, 2, said({}), 30).call(2, 1, 11, said({}));
  queue.call(2, 1, 4, said({{a(Arg::list), 3, a(Arg::small), 1, a(Arg::small), 2, a(Arg::yes)}}));
  queue.op(Op::cancel, {0, 1, 2}).op(Op::ack, {1, 1, 1}).op(Op::pass, {10});
  queue.call(2, 1, 5, said({{a(Arg::small), 9}})).op(Op::end, {2, 0}).call(1, 1, 3, said({}));
  queue.call(0, 1, 0, said({{a(Arg::handle), 1}})).call(1, 1, 10, said({}));
  folder.add(queue.op(Op::compare).call(0, 1, 12, said({})).op(Op::end, {0, 1}).bytes());
  // Reserved: given up, back, over, touched, done, asked for twice, waited for, left behind.
  const auto number = [](int n) { return said({{a(Arg::small), n}}); };
  Scene reserved;
  reserved.open().open().create(0, 2, 0, said({})).create(1, 2, 0, said({}));
  reserved.call(0, 1, 4, said({{a(Arg::list), 2, a(Arg::small), 1, a(Arg::handle), 1}}));
  reserved.call(0, 1, 16, number(100)).call(1, 1, 16, number(2)).op(Op::cancel, {0, 1, 3});
  reserved.call(0, 1, 16, number(100)).op(Op::ack, {0, 1, 4}).call(1, 1, 18, number(2));
  reserved.call(1, 1, 16, number(3)).call(1, 1, 16, said({{a(Arg::nil)}})).op(Op::compare);
  reserved.call(1, 1, 16, number(50)).op(Op::pass, {2}).call(0, 1, 17, number(3));
  reserved.call(1, 1, 19, said({{a(Arg::small), 5}, {a(Arg::small), 9}})).op(Op::pass, {12});
  folder.add(reserved.op(Op::compare).call(1, 1, 12, said({})).op(Op::end, {1, 0}).bytes());
  // Locks: each policy; waiting, dying, taking over.
  for (int policy = 0; policy < 3; ++policy) {
    for (const std::size_t type : {std::size_t{3}, std::size_t{4}}) {
      Scene lock;
      lock.open().open().open().create(0, type, 0, said({{a(Arg::small), policy}}));
      lock.call(0, 1, 0, said({})).call(0, 1, 0, said({}), 40).call(1, 1, 0, said({}));
      lock.call(2, 1, 0, said({}), 50, 1).call(1, 1, 1, said({})).op(Op::ack, {0, 1, 1});
      lock.op(Op::end, {0, policy}).call(0, 1, 2, said({})).call(1, 1, 5, said({}));
      lock.call(0, 1, 0, said({})).op(Op::cancel, {0, 1, 3}).op(Op::resume, {1, 1, 1});
      folder.add(lock.op(Op::compare).op(Op::pass, {14}).bytes());
    }
  }
  // The manager object, limits, and a list in itself.
  Scene manager;
  manager.open().open().create(0, 0, 15, said({})).create(0, 1, 1, said({}));
  for (int method = 0; method < 11; ++method) {
    manager.call(0, 0, static_cast<std::size_t>(method), said({}));
    manager.call(1, 0, static_cast<std::size_t>(method),
                 said({{a(Arg::small), 1}, {a(Arg::nonce), 1}}));
    manager.call(1, 0, static_cast<std::size_t>(method), said({{a(Arg::nonce), 1}}));
  }
  manager.call(0, 0, 4, said({{a(Arg::pairs), 1, a(Arg::small), 1, a(Arg::small), 1}}));
  folder.add(manager.op(Op::compare).bytes());
  Scene circle;
  circle.open().create(0, 0, 15, said({})).call(0, 1, 0, said({{a(Arg::handle), 1}}));
  folder.add(circle.op(Op::limits, {63}).create(0, 2, 15, said({})).bytes());
  // Frames as they come.
  for (const std::string& frame :
       {detail::core::encode_calls(1, {}), detail::core::encode_bye(), std::string(100, '\x91'),
        std::string("\x94\x01\x03\x01\x91\x97\x01\x01\xc0\x01\xa3str\x90\x80"),
        detail::core::encode_seqs(detail::core::Envelope::cancel, {1, 1, 0})}) {
    folder.add(Scene().open().create(0, 0, 2, said({})).frame(0, frame).op(Op::compare).bytes());
  }
}

// Mostly operations, and words that look right at first sight.
void write_ring_scripts(Folder folder) {
  std::mt19937 random(1);
  for (int i = 0; i < 30; ++i) {
    std::string script(1, static_cast<char>(i));
    for (int step = 0; step < 60; ++step) {
      const bool write = i >= 5 && random() % 4 == 0;
      script.push_back(write ? 0 : 1);
      for (int byte = 0; byte < 3; ++byte) script.push_back(static_cast<char>(random()));
      const detail::shm::Cell cell{random() % 3, static_cast<detail::shm::Kind>(random() % 4),
                           static_cast<unsigned>(random() % 3),
                           static_cast<std::uint32_t>(random() % 8)};
      const std::uint64_t word = write ? cell.word() : random() % 300;
      script.append(reinterpret_cast<const char*>(&word), sizeof word);
    }
    folder.add(script);
  }
}

}  // namespace
}  // namespace steward::fuzz

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: fuzz_seeds DIRECTORY\n");
    return 2;
  }
  const std::filesystem::path root = argv[1];
  steward::fuzz::write_envelopes(steward::fuzz::Folder(root / "envelope"));
  steward::fuzz::write_values(steward::fuzz::Folder(root / "value"));
  steward::fuzz::write_scripts(steward::fuzz::Folder(root / "core"));
  steward::fuzz::write_ring_scripts(steward::fuzz::Folder(root / "ring"));
  return 0;
}
