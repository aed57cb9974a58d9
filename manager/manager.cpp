#include <steward/manager/manager.hpp>

#include <unistd.h>

#include <chrono>
#include <optional>

#include <utility>

#include <steward/client/grants.hpp>
#include <steward/client/reachable.hpp>
#include <steward/client/reference.hpp>
#include <steward/core/errors.hpp>
#include <steward/core/tcp_address.hpp>
#include <steward/core/writer.hpp>
#include <steward/manager/private_server.hpp>
#include <steward/manager/serve.hpp>
#include <steward/manager/server_start.hpp>

namespace steward {
namespace {

// The arguments of a method without any: an empty MessagePack array.
constexpr std::string_view kNoArguments = "\x90";
// How errors that arise on this side name the manager.
constexpr std::string_view kType = "manager";
// Over tcp, where nobody tells of its end.
constexpr std::chrono::milliseconds kShutdownAskedAgain{250};
constexpr std::chrono::seconds kShutdownTime{10};

template <class Session>
std::string call_manager(Session& session, std::string_view method, std::string_view arguments,
                         client::Effect effect, core::Deadline deadline = std::nullopt) {
  client::CallOptions options;
  options.effect = effect;
  options.deadline = deadline;
  options.object_type = kType;
  return session.call(core::kManagerObject, method, arguments, options).value_or(std::string());
}

}  // namespace

// What a Manager is made of. Either owns a server or is connected to one.
struct Manager::Impl {
  explicit Impl(const ManagerOptions& options)
      : server(std::in_place, Types(), options),
        address(face::told_address(options, server->addresses())),
        shutdown_timeout(options.shutdown_timeout),
        session(client::connect(server->addresses().front())) {}
  Impl(client::SessionPtr given, std::string given_address)
      : address(std::move(given_address)), session(std::move(given)) {}

  // Ends a server that this process owns.
  void end_server() noexcept;

  std::optional<face::PrivateServer> server;
  std::string address;
  std::chrono::milliseconds shutdown_timeout{};
  client::SessionPtr session;
  pid_t creator = ::getpid();
  std::optional<std::chrono::milliseconds> patience;  // of the manager's own calls

  core::Deadline deadline() const {
    return patience ? core::deadline_after(*patience) : std::nullopt;
  }
};

void face::ManagerAccess::set_patience(Manager& manager, std::chrono::milliseconds patience) {
  manager.impl().patience = patience;
}

void Manager::Impl::end_server() noexcept {
  const std::chrono::milliseconds part = shutdown_timeout / 3;
  try {
    const core::Deadline deadline = core::deadline_after(part);
    if (server->running()) {
      call_manager(*session, "shutdown", kNoArguments, client::Effect::change, deadline);
      server->wait(deadline);
    }
  } catch (const std::exception&) {
    // It has ended meanwhile, or does not answer: signals will do.
  }
  try {
    server->end(2 * part);
    session->end(core::Duration::zero());
  } catch (const std::exception&) {
    // Memory or descriptors are short. The server watches this process: it ends at the latest with
    // it.
  }
}

Manager::Manager() : Manager(Types()) {}
Manager::Manager(ManagerOptions options) : Manager(Types(), std::move(options)) {}
Manager::Manager(Types, ManagerOptions options) : impl_(std::make_unique<Impl>(options)) {}
Manager::Manager(client::SessionPtr session, std::string address)
    : impl_(std::make_unique<Impl>(std::move(session), std::move(address))) {}
Manager::Manager(Manager&&) noexcept = default;

Manager& Manager::operator=(Manager&& other) noexcept {
  if (this == &other) return *this;
  Manager old(std::move(*this));
  impl_ = std::move(other.impl_);
  return *this;
}

Manager::~Manager() {
  if (!impl_ || impl_->creator != ::getpid()) return;
  if (impl_->server) {
    impl_->end_server();
    return;
  }
  try {
    client::leave(std::move(impl_->session));
  } catch (const std::exception&) {
    // Memory or descriptors are short. The manager sees the end of this process, at the latest.
  }
}

Manager Manager::connect(const std::string& address, const ConnectOptions& options) {
  return Manager(client::connect(address, options), address);
}

Manager Manager::connect(const std::string& address, Types, const ConnectOptions& options) {
  return connect(address, options);
}

void Manager::serve(Types types, const ManagerOptions& options, const Ready& ready) {
  face::serve(types, options, ready);
}
void Manager::serve(const ManagerOptions& options, const Ready& ready) {
  face::serve(Types(), options, ready);
}

Manager::Impl& Manager::impl() const {
  if (!impl_) throw BadCall("this Manager was moved from");
  return *impl_;
}

const std::string& Manager::address() const { return impl().address; }

pid_t Manager::pid() const {
  return impl().server ? impl_->server->pid() : impl_->session->server_pid();
}

void Manager::shutdown() {
  if (impl().server && impl_->server->is_ours()) return impl_->end_server();
  const client::SessionPtr with = session();
  const auto remote = core::parse_tcp(impl_->address);
  const core::Deadline last = core::deadline_after(impl_->patience.value_or(kShutdownTime));
  // Its agreement may be lost with its end: a DEALER with ZMQ_IMMEDIATE drops what it has not read
  // when the connection breaks.
  const auto is_gone = [&] {
    return with->manager_has_ended() || (remote && client::is_refused(*remote, last));
  };
  for (;;) {
    try {
      call_manager(*with, "shutdown", kNoArguments, client::Effect::change,
                   remote ? core::deadline_after(kShutdownAskedAgain) : impl_->deadline());
      return;
    } catch (const TimeoutError&) {  // to ask again does no harm
      if (is_gone()) return;
      if (std::chrono::steady_clock::now() >= *last) throw;
    } catch (const core::Failure&) {
      if (is_gone()) return;
      throw;
    }
  }
}

// A forked child opens a session of its own.
client::SessionPtr Manager::session() const {
  if (impl().creator == ::getpid()) return impl_->session;
  return impl_->session->in_this_process();
}

Value Manager::call(std::string_view method, std::string_view arguments,
                    client::Effect effect) const {
  const client::SessionPtr with = session();
  const std::string reply = call_manager(*with, method, arguments, effect, impl_->deadline());
  client::ResultScope scope(*with, reply);
  Value result = core::unpack<Value>(reply);
  scope.done();
  return result;
}

std::vector<Object> Manager::objects() const {
  const Value handles = call("objects", kNoArguments, client::Effect::read);
  std::vector<Object> all;
  all.reserve(handles.list().size());
  for (const Value& handle : handles.list()) all.push_back(handle.as<Object>());
  return all;
}

std::map<std::string, Object> Manager::names() const {
  const Value named = call("names", kNoArguments, client::Effect::read);
  std::map<std::string, Object> all;
  for (const Value& entry : named.list()) {
    all.emplace(entry.list().at(0).string(), entry.list().at(1).as<Object>());
  }
  return all;
}

std::optional<Object> Manager::find(std::string_view name) const {
  std::string arguments;
  proxy::write_arguments(arguments, std::string(name));
  const Value found = call("find", arguments, client::Effect::read);
  if (found.list().empty()) return std::nullopt;
  return found.list().front().as<Object>();
}

Object Manager::object(std::uint64_t id) const {
  std::string arguments;
  proxy::write_arguments(arguments, id, Value());
  return call("claim", arguments, client::Effect::read).as<Object>();
}

Object Manager::create(std::string_view type, const Value::List& arguments) const {
  return Object::from_reference(make(type, nullptr, proxy::ArgumentList{arguments}));
}
Object Manager::create(std::string_view type, const Name& name,
                       const Value::List& arguments) const {
  return Object::from_reference(make(type, &name, proxy::ArgumentList{arguments}));
}

Value Manager::stat() const { return call("stat", kNoArguments, client::Effect::read); }

std::size_t Manager::number_of_objects() const {
  return call("number_of_objects", kNoArguments, client::Effect::read).as<std::size_t>();
}

std::string Manager::debug_info() const {
  return call("debug_info", kNoArguments, client::Effect::read).string();
}

bool Manager::remove(std::string_view name) {
  std::string arguments;
  proxy::write_arguments(arguments, std::string(name));
  return call("remove", arguments, client::Effect::change).boolean();
}

void Manager::begin_create(std::string& arguments, std::string_view type, const Name* name) {
  core::Writer writer(arguments);
  writer.array(3);
  writer.string(type);
  if (name != nullptr) {
    writer.string(name->text());
  } else {
    writer.nil();
  }
}

core::ReferencePtr Manager::created(client::Session& session, std::string_view arguments) const {
  const std::string reply =
      call_manager(session, "create", arguments, client::Effect::change, impl().deadline());
  client::ResultScope scope(session, reply);
  core::ReferencePtr reference = core::unpack<Value>(reply).reference();
  scope.done();
  return reference;
}

Lock Manager::lock(const LockOptions& options) const {
  return Lock::from_reference(make(Lock::kType, nullptr, options.on_owner_death));
}
Lock Manager::lock(const Name& name, const LockOptions& options) const {
  return Lock::from_reference(make(Lock::kType, &name, options.on_owner_death));
}
RLock Manager::rlock(const LockOptions& options) const {
  return RLock::from_reference(make(RLock::kType, nullptr, options.on_owner_death));
}
RLock Manager::rlock(const Name& name, const LockOptions& options) const {
  return RLock::from_reference(make(RLock::kType, &name, options.on_owner_death));
}

}  // namespace steward
