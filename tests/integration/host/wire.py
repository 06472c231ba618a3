"""What other systems do on a broker: declare, bind, publish and get, inside the node and without any host."""

from __future__ import annotations

import ast

from broker import Broker


def binary(text: bytes | str) -> str:
    """A binary of Erlang."""
    return "<<" + ",".join(str(byte) for byte in (text.encode() if isinstance(text, str) else text)) + ">>"


def headers(**values: str | int | list[str]) -> str:
    """A table as clients in Python send it; `__` in a name stands for a dot, and `___` for a colon."""
    fields = []
    for name, value in values.items():
        written = binary(name.replace("___", ":").replace("__", "."))
        if isinstance(value, int):
            fields.append(f"{{{written},signedint,{value}}}")
        elif isinstance(value, list):
            items = ",".join(f"{{longstr,{binary(item)}}}" for item in value)
            fields.append(f"{{{written},array,[{items}]}}")
        else:
            fields.append(f"{{{written},longstr,{binary(value)}}}")
    return f"{{headers,[{','.join(fields)}]}}"


class Wire:
    """One vhost of a broker."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.vhost = broker.new_vhost()
        self.url = broker.url(self.vhost)

    def _name(self, kind: str, name: str) -> str:
        return f"rabbit_misc:r({binary(self.vhost)},{kind},{binary(name)})"

    def declare(self, exchange: str, *, durable: bool = True, auto_delete: bool = False) -> None:
        """A topic exchange."""
        flags = f"{str(durable).lower()},{str(auto_delete).lower()},false,[]"
        name = self._name("exchange", exchange)
        self.broker.evaluate(f"exchange=element(1,rabbit_exchange:declare({name},topic,{flags},<<\"guest\">>))")

    def listen(self, queue: str, exchange: str) -> None:
        """A queue for all that goes through the exchange."""
        self.broker.evaluate(
            f"Q={self._name('queue', queue)},"
            "new=element(1,rabbit_amqqueue:declare(Q,true,false,[],none,<<\"guest\">>)),"
            f"ok=rabbit_binding:add({{binding,{self._name('exchange', exchange)},<<\"#\">>,Q,[]}},<<\"guest\">>)"
        )

    def bindings(self, exchange: str) -> int:
        source = self._name("exchange", exchange)
        return int(self.broker.evaluate(f"length(rabbit_binding:list_for_source({source}))"))

    def messages(self, queue: str) -> int:
        return int(self.broker.evaluate(
            f"{{ok,Q}}=rabbit_amqqueue:lookup({self._name('queue', queue)}),{{ok,N,_}}=rabbit_amqqueue:stat(Q),N"))

    def consumers(self) -> int:
        """A quorum queue whose leader is not there yet has none, and loses what is published without a confirm."""
        return int(self.broker.evaluate(f"length(rabbit_amqqueue:consumers_all({binary(self.vhost)}))"))

    def publish(self, exchange: str, key: str, body: bytes, *properties: str) -> None:
        """`properties` as `app_id=storyboard`, or what headers() gives."""
        terms = []
        for text in properties:
            name, _, value = text.partition("=")
            plain = value if value.isdigit() else binary(value)
            terms.append(text if text.startswith("{") else f"{{{name},{plain}}}")
        answer = self.broker.evaluate(
            f"rabbit_basic:publish({self._name('exchange', exchange)},{binary(key)},[{','.join(terms)}],{binary(body)})"
        )
        assert answer == "ok", answer

    def get(self, queue: str) -> dict[str, str]:
        """The content type, the body and the headers that are text of the oldest message, which is gone then."""
        answer = self.broker.evaluate(
            f"{{ok,Q}}=rabbit_amqqueue:lookup({self._name('queue', queue)}),"
            "case rabbit_amqqueue:basic_get(Q,true,self(),<<\"t\">>,rabbit_queue_type:init()) of "
            "{ok,_,{_,_,_,_,M},_} -> C=rabbit_binary_parser:ensure_content_decoded(element(4,M)),P=element(3,C),"
            "T=fun(X)->binary_to_list(X) end,"
            "[[\"content_type\",T(case element(2,P) of undefined -> <<>>; Type -> Type end)],"
            "[\"body\",T(iolist_to_binary(lists:reverse(element(6,C))))]"
            "|[[T(N),T(V)]||{N,longstr,V}<-case element(4,P) of undefined -> []; H -> H end]]; _ -> [] end"
        )
        return dict(ast.literal_eval(answer))  # Lists and strings are written as in Python.
